"""A finished training, or a checkpoint of others, to a bundle: the directory that the server loads.

`docs/src/reference/bundle.md` describes the format. `bundle` exports what was trained from scratch, `tuned` what was
fine-tuned, `pretrained` what was published.
"""
