"""A process that lives and drains: it chooses the broker, wires the rest, and lets itself be looked at."""
