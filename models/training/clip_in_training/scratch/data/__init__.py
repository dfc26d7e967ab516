"""Parquet shards to batches: decoded once, kept as raw pixels, dealt by a rule that a resumed run repeats."""
