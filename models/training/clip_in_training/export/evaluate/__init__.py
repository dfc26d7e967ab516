"""Benchmarks on the exported graphs, so that the numbers are those of the served model."""
