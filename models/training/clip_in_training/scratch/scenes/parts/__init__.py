"""How each part is drawn. A part fits the square from -0.5 to 0.5 and points up where it has a direction."""
