"""A complete training from scratch: data, tokenizer, stage A, stage B."""
