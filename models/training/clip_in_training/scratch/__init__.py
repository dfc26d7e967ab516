"""The model that is trained from nothing on drawn scenes."""
