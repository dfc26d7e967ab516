"""The two stages of training, the loop that both share, and what survives an interruption."""
