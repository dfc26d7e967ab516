"""Loss terms that need to know what was drawn, and the weighted sum of stage B."""
