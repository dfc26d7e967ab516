"""Trains the heads of `clip-in-small` on stored maps."""
