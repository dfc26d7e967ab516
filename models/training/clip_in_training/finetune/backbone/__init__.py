"""Pre-trained dual encoders by name, ready to fine-tune: rotary positions, what trains, groups."""

from clip_in_training.finetune.backbone.backbone import Backbone, ImageRules, TextRules
from clip_in_training.finetune.backbone.compute import checkpoint_activations, compile_towers
from clip_in_training.finetune.backbone.groups import parameter_groups
from clip_in_training.finetune.backbone.load import load_backbone, load_original
from clip_in_training.finetune.backbone.lora import merged
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.backbone.rope import with_rope
from clip_in_training.finetune.backbone.state import restore, state_of
from clip_in_training.finetune.backbone.trainable import trainable

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
