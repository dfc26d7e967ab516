"""Which tokenizer a model of open_clip was trained with."""

from open_clip.factory import get_model_config
from torch import nn

from clip_in_training.backbone.text_rules import TokenizerRules
from clip_in_training.backbone.text_tower import pooling
from clip_in_training.errors import BackboneError
from clip_in_training.reference.clip_tokenizer import SPECIAL, clip_tokenizer


def text_rules_of(name: str, clip: nn.Module) -> TokenizerRules:
    """By open_clip's description of the model."""
    text = (get_model_config(name) or {}).get("text_cfg", {})
    if text.get("hf_tokenizer_name"):
        raise BackboneError("not yet")
    pad_to = "longest" if pooling(clip).padding_is_invisible else "context_length"
    return TokenizerRules(clip_tokenizer(), clip.context_length, pad_to, *SPECIAL)
