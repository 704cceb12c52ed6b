"""What is measured, one module each, run in a process of its own: `python -m benchmarks.subjects.<name> '<task>'`."""
