"""The support desk: one agent per file, and what they share. Everything here imports only the public `penstock`."""
