"""Terms of the loss that both families have. Vectors come in normalised; `scale` is exp(logit_scale)."""
