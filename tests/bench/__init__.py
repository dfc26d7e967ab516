"""Measures the server beside others: `python -m tests.bench.run`."""
