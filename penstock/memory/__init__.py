"""Explicit memory: what agents remember between runs, outside the process, committed with the run."""
