"""Pre-trained dual encoders by name, ready to fine-tune: rotary positions, what trains, groups."""

from clip_in_training.backbone.backbone import Backbone, ImageRules, TextRules
from clip_in_training.backbone.compute import checkpoint_activations, compile_towers
from clip_in_training.backbone.groups import parameter_groups
from clip_in_training.backbone.load import load_backbone, load_original
from clip_in_training.backbone.lora import merged
from clip_in_training.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.backbone.rope import with_rope
from clip_in_training.backbone.state import restore, state_of
from clip_in_training.backbone.trainable import trainable

__all__ = [
    "Backbone",
    "ImageRules",
    "OpenClipBackbone",
    "TextRules",
    "checkpoint_activations",
    "compile_towers",
    "load_backbone",
    "load_original",
    "merged",
    "parameter_groups",
    "restore",
    "state_of",
    "trainable",
    "with_rope",
]
