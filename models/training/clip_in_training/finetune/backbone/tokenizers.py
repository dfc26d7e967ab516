"""Which tokenizer a model of open_clip was trained with, as rules that `tokenizer.json` can carry."""

from typing import Any

import open_clip
from open_clip.factory import get_model_config
from open_clip.hf_model import HFTextEncoder
from torch import nn

from clip_in_training.common.errors import BackboneError
from clip_in_training.export.reference.clip_tokenizer import SPECIAL, clip_tokenizer
from clip_in_training.finetune.backbone.hub_tokenizer import as_tokenizer_json, special_ids
from clip_in_training.finetune.backbone.text_rules import TokenizerRules
from clip_in_training.finetune.backbone.text_tower import pooling


def text_rules_of(name: str, clip: nn.Module) -> TokenizerRules:
    """By open_clip's description of the model `name`: CLIP's own tokenizer, or one of the Hub (SigLIP, …).

    Padding goes to the longest text if the tower cannot see it, else always to the context length. Raises
    `BackboneError` if the server's rules cannot express the tokenizer's, and what the Hub's client raises.
    """
    text = (get_model_config(name) or {}).get("text_cfg", {})
    context, invisible, end_id = _of_tower(clip, text)
    pad_to = "longest" if invisible else "context_length"
    options = text.get("tokenizer_kwargs") or {}
    if not text.get("hf_tokenizer_name"):
        if options:
            raise BackboneError(f"{name}: CLIP's tokenizer with options {options} is not supported")
        return TokenizerRules(clip_tokenizer(), context, pad_to, *SPECIAL)
    if options.get("strip_sep_token") or text.get("tokenizer_mode"):
        raise BackboneError(
            f"{name}: its tokenizer takes the end token away or moves it, which is not supported"
        )
    original = open_clip.get_tokenizer(name, context_length=context).tokenizer
    start, end = special_ids(original, name)
    if end_id is not None and end != end_id:
        raise BackboneError(f"{name}: the tokenizer ends texts with {end}, the encoder looks for {end_id}")
    if original.pad_token_id is None:
        raise BackboneError(f"{name}: the tokenizer names no padding token")
    tokenizer = as_tokenizer_json(original, options.get("clean", "whitespace"), name)
    return TokenizerRules(tokenizer, context, pad_to, start, end, original.pad_token_id)


def _of_tower(clip: Any, text: dict) -> tuple[int, bool, int | None]:
    """Context length, is padding invisible, and the end token's id if the tower looks for it."""
    if isinstance(getattr(clip, "text", None), HFTextEncoder):
        # It masks padding by itself; its own limit (514 for RoBERTa) is not what it was trained with.
        return text.get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH), True, None
    rule = pooling(clip)
    return clip.context_length, rule.padding_is_invisible, rule.end_id
