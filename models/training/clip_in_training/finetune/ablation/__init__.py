"""What each ingredient of CLIP-IN is worth: the variants of a recipe, several seeds each, measured and tabled."""
