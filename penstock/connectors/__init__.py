"""Connectors to outside systems, one file per system."""
