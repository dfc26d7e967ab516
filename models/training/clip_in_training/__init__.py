"""Offline training of fine-grained dual encoders with the CLIP-IN losses, and their export to bundles.

`scratch` trains a small model from scratch on drawn scenes, `finetune` fine-tunes a pre-trained one with
CLIP-IN, `export` writes either as a bundle, and `common` contains what they share.

`python -m clip_in_training --help` lists the commands.
"""
