"""What a model can do, measured on the exported graphs: the numbers are those of what is served."""
