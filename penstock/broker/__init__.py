"""The broker contract and its two keepers."""
