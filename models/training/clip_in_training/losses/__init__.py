"""The training objective, a file a term. Vectors come in normalised; `scale` is exp(logit_scale)."""
