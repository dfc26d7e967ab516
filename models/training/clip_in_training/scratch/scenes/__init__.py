"""Drawn inspection scenes with captions and one-attribute edits: the demo model's training data."""
