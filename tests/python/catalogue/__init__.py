"""`deploy/examples/catalogue`, in an environment of its own."""
