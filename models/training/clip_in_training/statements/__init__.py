"""Which statement about a change is true: the weights that `/v1/compare` ranks statements with, fitted on drawn parts."""
