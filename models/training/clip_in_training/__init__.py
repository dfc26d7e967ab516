"""Offline training of fine-grained dual encoders with the CLIP-IN losses, and their export to bundles.

`scratch` trains a small model from nothing on drawn scenes, `finetune` takes a pre-trained one through CLIP-IN,
`export` writes either as a bundle, and `common` has what they share.

`python -m clip_in_training --help` lists the commands.
"""
