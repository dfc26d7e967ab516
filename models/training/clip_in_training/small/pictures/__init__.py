"""Named pictures (Noto Color Emoji) and scenes that are composed of them, with edits and captions.

`named` reads the pictures and their names, `compose` places them on procedural `backgrounds`, `edits` changes one
thing, `wording` says it, and `generate` writes Parquet. `clip_in_training.small.fetch` brings the files.
"""
