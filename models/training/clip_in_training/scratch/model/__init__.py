"""The dual encoder: image tower, text tower with rotary positions, and loading a bundle as a PyTorch model."""

from clip_in_training.scratch.model.bundle import load_bundle
from clip_in_training.scratch.model.dual_encoder import DualEncoder

__all__ = ["DualEncoder", "load_bundle"]
