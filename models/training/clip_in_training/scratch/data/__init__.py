"""Turns Parquet shards into batches: images are decoded once and cached as raw pixels, in a reproducible order."""
