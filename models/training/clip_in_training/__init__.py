"""Offline training of fine-grained dual encoders with the CLIP-IN losses, and their export to bundles.

Data goes one way through the folders of this package, one step a folder:

    scenes (drawn data) -> data (Parquet to tensors) -> tokenizer -> model -> losses -> train -> export ->
    evaluate

`python -m clip_in_training --help` lists the commands.
"""
