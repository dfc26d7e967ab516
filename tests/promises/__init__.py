"""Measures what lines promise: `python -m tests.promises.run`."""
