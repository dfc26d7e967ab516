"""Loss terms that both families use. Vectors must be normalised; `scale` is exp(logit_scale)."""
