"""Low-rank adapters (arXiv 2106.09685) through `peft`, and how they become part of the weights again."""

import copy
from typing import Any

from peft import LoraConfig
from peft.tuners.lora import LoraLayer, LoraModel
from torch import nn

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.backbone.towers import towers
from clip_in_training.finetune.recipe import LoraRecipe


def add_adapters(backbone: Backbone, recipe: LoraRecipe) -> None:
    """Adds adapters, in place, to each matrix of each block of both towers: attention (q, k, v and output)
    and MLP. Embeddings, norms, pooling and projections stay frozen.

    Dropout must be 0 where attention is PyTorch's fused module, whose adapter has none. Raises
    `BackboneError`.
    """
    parts = towers(backbone)
    if not isinstance(backbone, OpenClipBackbone) or not (parts.image.blocks and parts.text.blocks):
        raise BackboneError(
            'finetune.trains = "lora" needs two transformers of open_clip; use all, text or last_blocks'
        )
    if recipe.rank < 1:
        raise BackboneError(f"finetune.lora.rank is {recipe.rank}; it must be at least 1")
    blocks = [*parts.image.blocks, *parts.text.blocks]
    targets = {id(module) for block in blocks for module in _matrices(block)}
    names = [name for name, module in backbone.clip.named_modules() if id(module) in targets]
    fused = any(isinstance(module, nn.MultiheadAttention) for block in blocks for module in block.modules())
    if recipe.dropout and fused:
        raise BackboneError(
            "finetune.lora.dropout must be 0 for this model: its attention is fused, and an adapter of it is "
            "added to the weights before they are used"
        )
    alpha: Any = recipe.alpha  # peft divides by the rank: whole numbers are its habit, not its need
    config = LoraConfig(
        r=recipe.rank, lora_alpha=alpha, lora_dropout=recipe.dropout, target_modules=names, bias="none"
    )
    LoraModel(backbone.clip, config, "default")  # Works in place.
    for parameter in parts.similarity:  # peft has frozen all but its own.
        parameter.requires_grad_(True)


def has_adapters(backbone: Backbone) -> bool:
    """Are there any?"""
    return any(isinstance(module, LoraLayer) for module in backbone.modules())


def merged(backbone: Backbone) -> Backbone:
    """A copy without adapters, whose weights include them; the backbone itself if it has none."""
    if not has_adapters(backbone):
        return backbone
    plain = copy.deepcopy(backbone)
    _merge(plain)
    return plain


def _merge(module: nn.Module) -> None:
    child: Any  # peft has no types for what its layers can do
    for name, child in module.named_children():
        if not isinstance(child, LoraLayer):
            _merge(child)
        elif hasattr(child, "unload_and_optionally_merge_module"):  # fused attention
            plain = child.unload_and_optionally_merge_module(merge=True, safe_merge=True, adapter_names=None)
            setattr(module, name, plain)
        else:
            child.merge(safe_merge=True)
            setattr(module, name, child.get_base_layer())


def _matrices(block: nn.Module) -> list[nn.Module]:
    """A fused attention is one target: peft adds to both of its matrices or to none."""
    fused = [module for module in block.modules() if isinstance(module, nn.MultiheadAttention)]
    inner = {id(module) for attention in fused for module in attention.modules()}
    linear = [m for m in block.modules() if isinstance(m, nn.Linear) and id(m) not in inner]
    return [*fused, *linear]
