"""A finished training, or a checkpoint of others, to a bundle: the directory that the server loads.

The format is in `docs/src/reference/bundle.md`. `bundle` exports what was trained from scratch, `tuned` what was fine-
tuned, `pretrained` what was published.
"""
