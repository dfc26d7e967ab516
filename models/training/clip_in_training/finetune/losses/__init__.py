"""The sum of stage 2, on the vectors of all processes."""
