"""Terms of the loss that need to know what was drawn, and the sum of stage B."""
