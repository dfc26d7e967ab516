"""Code that both model families use: recipes, the training loop, checkpoints and shared losses."""
