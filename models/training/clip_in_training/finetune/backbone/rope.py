"""CLIP-IN's text encoder: an open_clip one with rotary positions in place of its table of positions.

Everything but the table is the teacher's, under the teacher's parameter names. As in TULIP (arXiv
2410.10034), q and k of every layer are rotated over the whole head, base 10000, half-split
(`model/rope.py`); mask, pooling and padding stay as they were. Before stage 1 has distilled it, such an
encoder is not usable.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.backbone.text_tower import text_pieces
from clip_in_training.scratch.model.rope import rotate, rotation


class RotaryAttention(nn.MultiheadAttention):
    """Self-attention with rotary positions, on the weights of an `nn.MultiheadAttention`.

    It stays one by its type, so that whatever knows that class (LoRA, quantisation) knows this one.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, original: nn.MultiheadAttention, cos: Tensor, sin: Tensor):
        """Takes over the weights of `original`; angles [context, head width] are those of `rotation`."""
        super().__init__(original.embed_dim, original.num_heads, batch_first=True, device="meta")
        self.in_proj_weight, self.in_proj_bias = original.in_proj_weight, original.in_proj_bias
        self.out_proj = original.out_proj
        self.train(original.training)
        # Tables and not formulas: all layers read the same two tensors, and a graph slices a constant.
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(  # type: ignore[override]  # open_clip calls it as its blocks do
        self, query: Tensor, *_: Tensor, attn_mask: Tensor | None = None, **__
    ) -> tuple[Tensor, None]:
        """[batch, length, width] to the same shape; key and value are the query. A mask means: causal."""
        batch, length, width = query.shape
        split = functional.linear(query, self.in_proj_weight, self.in_proj_bias)
        query, key, value = (
            split.view(batch, length, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        )
        cos, sin = self.cos[:length], self.sin[:length]
        mixed = functional.scaled_dot_product_attention(
            rotate(query, cos, sin), rotate(key, cos, sin), value, is_causal=attn_mask is not None
        )
        # A matrix product of its own, as in the original: LoRA adds to the weight, not to a layer's output.
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        return functional.linear(mixed, self.out_proj.weight, self.out_proj.bias), None


def with_rope(backbone: OpenClipBackbone, context_length: int) -> OpenClipBackbone:
    """A copy of an absolute backbone whose text encoder has rotary positions, for up to `context_length`
    tokens; the original is untouched and can be its teacher.

    Supported are the text encoders of `open_clip.CLIP` and `TextTransformer`s: CLIP's kind (causal, pooled
    at the end token), and SigLIP's kind (each token sees all, pooled at the last place), whose texts are then
    padded to the new context. Raises `BackboneError` for others.
    """
    if not isinstance(backbone, OpenClipBackbone) or backbone.positions != "absolute":
        raise BackboneError("only a model of open_clip with absolute positions can be given rotary ones")
    pieces = text_pieces(backbone.clip)
    blocks = pieces.transformer.resblocks
    if not all(isinstance(getattr(block, "attn", None), nn.MultiheadAttention) for block in blocks):
        raise BackboneError(
            f"{backbone.source}: the text encoder normalises or scales q and k by itself, "
            'which is not supported with rotary positions; use `backbone.positions = "absolute"`'
        )
    rotary = copy.deepcopy(backbone)
    pieces = text_pieces(rotary.clip)
    del pieces.positional_embedding
    pieces.register_parameter("positional_embedding", None)
    first = pieces.transformer.resblocks[0].attn
    cos, sin = rotation(context_length, first.head_dim, first.in_proj_weight)
    for block in pieces.transformer.resblocks:
        block.attn = RotaryAttention(block.attn, cos, sin)
    set_context(rotary, context_length)
    rotary.positions = "rope"
    return rotary


def set_context(backbone: OpenClipBackbone, context_length: int) -> None:
    """Enters a new context wherever open_clip and the tokenizer keep it; positions are the caller's."""
    pieces = text_pieces(backbone.clip)
    if pieces.attn_mask is not None:
        mask = torch.full((context_length, context_length), float("-inf"), device=pieces.attn_mask.device)
        pieces.attn_mask = mask.triu_(1)
    for module in (backbone.clip, pieces):
        module.context_length = context_length
    if hasattr(pieces, "num_pos"):
        pieces.num_pos = context_length
    backbone.text_rules = backbone.text_rules.with_context(context_length)
