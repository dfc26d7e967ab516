"""Tests of the server and of the whole way, and what measures it: `bench/`, `faults/`, `python/`."""
