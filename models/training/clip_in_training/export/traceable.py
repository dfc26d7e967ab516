"""Rewrites encoders, where the tracer needs it, in operators that every ONNX Runtime has."""

from typing import TypeVar

import torch
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from clip_in_training.export.graph import fold_batch_norm
from clip_in_training.finetune.backbone.rope import RotaryAttention
from clip_in_training.scratch.model.rope import rotate

MASKED = -1e4
"""Replaces -inf in masks, because some fp16 and bf16 versions of a graph fail with -inf; exp(-10000) is 0 as
well.
"""


class PlainAttention(nn.Module):
    """`nn.MultiheadAttention` as matrix products, with rotary positions where the original has them.

    In evaluation mode the original may take a fused path that has no ONNX operator.
    """

    def __init__(self, original: nn.MultiheadAttention):
        super().__init__()
        self.heads, width = original.num_heads, original.embed_dim
        self.query_key_value = nn.Linear(width, 3 * width, bias=original.in_proj_bias is not None)
        self.query_key_value.weight = original.in_proj_weight
        self.query_key_value.bias = original.in_proj_bias
        self.output = original.out_proj
        self.angles = (original.cos, original.sin) if isinstance(original, RotaryAttention) else None

    def forward(
        self, query: Tensor, *_: Tensor, attn_mask: Tensor | None = None, **__
    ) -> tuple[Tensor, None]:
        """Self-attention on [batch, length, width]; key and value are the query."""
        batch, length, width = query.shape
        split = self.query_key_value(query).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        if self.angles is not None:
            cos, sin = (table[:length] for table in self.angles)
            query, key = rotate(query, cos, sin), rotate(key, cos, sin)
        scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-1, -2)
        if attn_mask is not None:
            scores = scores + attn_mask
        mixed = scores.softmax(dim=-1) @ value
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width)), None


M = TypeVar("M", bound=nn.Module)


def traceable(model: M) -> M:
    """An equivalent copy in evaluation mode: on the CPU, in fp32, with attention as plain products."""
    copied = fold_batch_norm(model).to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
    for module in list(copied.modules()):
        if isinstance(module, ResidualAttentionBlock) and isinstance(module.attn, nn.MultiheadAttention):
            module.attn = PlainAttention(module.attn)
        for name in ("fused_attn", "grad_checkpointing"):
            if hasattr(module, name):
                setattr(module, name, False)
        mask = getattr(module, "attn_mask", None)
        if isinstance(mask, Tensor) and mask.is_floating_point():
            module.attn_mask = mask.clamp(min=MASKED)
    return copied
