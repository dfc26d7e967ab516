"""A whole training from nothing: data, tokenizer, stage A, stage B."""
