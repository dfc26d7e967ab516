"""CLIP-IN on a pre-trained dual encoder: what it starts from, what it reads, and both stages."""
