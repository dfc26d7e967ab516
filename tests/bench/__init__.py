"""Compares the server with others: `python -m tests.bench.run`."""
