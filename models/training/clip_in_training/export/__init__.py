"""Exports a finished training, or a published checkpoint, to a bundle: the directory that the server loads.

`docs/src/reference/bundle.md` describes the format. `bundle` exports a model trained from scratch, `tuned` a
fine-tuned one, `pretrained` a published one.
"""
