"""The family of `clip-in-small`: towers that start from published weights, and what they learn from."""
