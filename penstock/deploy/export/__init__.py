"""What other tools read, derived from the topology: nothing here asks a cluster. Each file is one format."""
