"""What both families need: recipes as values, the loop, checkpoints, losses that both have."""
