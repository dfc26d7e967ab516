"""A longer context on absolute positions: the table is stretched.

CLIP-IN's ablation compares rotary positions with this. Of the ways to stretch we take Long-CLIP's (arXiv
2403.15378): most captions that CLIP learnt from are short, so its first 20 positions are well trained and
stay as they are; the others, that saw few texts, are spread over the rest by linear interpolation.
"""

import copy

import torch
from torch import Tensor, nn

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.backbone.rope import set_context
from clip_in_training.finetune.backbone.text_tower import pooling, text_pieces

KEPT = 20
"""Positions that stay as they are: Long-CLIP's effective length of CLIP."""


def with_context(backbone: OpenClipBackbone, context_length: int) -> OpenClipBackbone:
    """A copy of an absolute backbone for texts of up to `context_length` tokens.

    A shorter context only cuts texts. Raises `BackboneError` where that would move the place that is
    pooled, and for text encoders that cannot be changed.
    """
    if context_length == backbone.text_rules.context_length:
        return backbone
    pieces = text_pieces(backbone.clip)
    changed = copy.deepcopy(backbone)
    if context_length < backbone.text_rules.context_length:
        if not pooling(backbone.clip).padding_is_invisible:
            raise BackboneError(
                f"{backbone.source} pads every text to {backbone.text_rules.context_length} tokens and "
                f"sees the padding: backbone.context_length must not be smaller (it is {context_length}), "
                'unless backbone.positions = "rope" and stage 1 teaches it so'
            )
        changed.text_rules = backbone.text_rules.with_context(context_length)
        return changed
    table = stretched(pieces.positional_embedding.detach(), context_length)
    text_pieces(changed.clip).positional_embedding = nn.Parameter(table)
    set_context(changed, context_length)
    return changed


def stretched(table: Tensor, length: int) -> Tensor:
    """A table [positions, width] as one of `length` rows, `length` >= positions.

    From 77 to 248 positions this is Long-CLIP's factor of 4; behind the last known position the line
    through the last two goes on, as there. Of a table too short to have 20 well-trained positions, half are
    kept.
    """
    known = table.shape[0]
    kept = min(KEPT, known // 2)
    behind = torch.arange(length - kept, device=table.device, dtype=torch.float32)
    place = kept + behind * (known - kept) / (length - kept)
    left = place.floor().long().clamp(max=known - 2)
    share = (place - left)[:, None].to(table.dtype)
    return torch.cat([table[:kept], table[left] * (1 - share) + table[left + 1] * share])
