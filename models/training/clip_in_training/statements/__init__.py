"""Which statement about a change is true: the weights that `/v1/compare` ranks by, fitted on drawn parts."""
