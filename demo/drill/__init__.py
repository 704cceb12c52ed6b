"""The drill: a bad deploy at night, from the alert to everything put back; at the terminal, or only in the console."""
