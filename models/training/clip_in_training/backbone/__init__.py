"""Pre-trained dual encoders by name, made ready for fine-tuning: rotary text positions, what trains, groups."""
