"""Pre-trained dual encoders by name, ready to fine-tune: rotary positions, what trains, groups."""
