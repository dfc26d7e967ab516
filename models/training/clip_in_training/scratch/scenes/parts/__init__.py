"""The drawing of each part. A part fits the square from -0.5 to 0.5; a part with a direction points up."""
