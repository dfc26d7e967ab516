"""The family of `clip-in-small`: towers that start from published weights, and the pictures and words they learn from."""
