"""`deploy/examples/catalogue`, in its own environment."""
