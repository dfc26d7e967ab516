"""End-to-end tests and measurements of the server: `bench/`, `faults/`, `python/`."""
