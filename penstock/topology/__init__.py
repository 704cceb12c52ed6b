"""The topology: what the YAML file declares, how it is read, checked and described."""
