"""open_clip's towers rewritten for export: the same weights, batch and text length free."""

import copy

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.reference.architecture import ReferenceModel


class PlainAttention(nn.Module):
    """`nn.MultiheadAttention` in matrix products.

    The original may take a fused path in evaluation mode that no ONNX operator stands for.
    """

    def __init__(self, original: nn.MultiheadAttention):
        super().__init__()
        self.heads, width = original.num_heads, original.embed_dim
        self.query_key_value = nn.Linear(width, 3 * width)
        self.query_key_value.weight, self.query_key_value.bias = (
            original.in_proj_weight,
            original.in_proj_bias,
        )
        self.output = original.out_proj

    def forward(
        self, query: Tensor, *_: Tensor, attn_mask: Tensor | None = None, **__
    ) -> tuple[Tensor, None]:
        """Self-attention on [batch, length, width]; key and value are the query."""
        batch, length, width = query.shape
        split = self.query_key_value(query).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-1, -2)
        if attn_mask is not None:
            scores = scores + attn_mask
        mixed = scores.softmax(dim=-1) @ value
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width)), None


class ImageGraph(nn.Module):
    """`pixels` uint8 NHWC to `embedding`.

    Normalisation is in the graph, because it costs nothing: ViT-B/32, one thread, runs taking turns, it takes
    1.01 (batch 1) and 1.00 (batch 8) of the CPU time of a graph that is given normalised NCHW float32, and
    the server has a quarter of the bytes to copy and no floats to compute.
    """

    def __init__(self, model: ReferenceModel):
        super().__init__()
        self.visual = _with_plain_attention(model.clip.visual)
        self.register_buffer("scale", torch.tensor([1 / (255 * s) for s in model.std]))
        self.register_buffer(
            "shift", torch.tensor([-m / s for m, s in zip(model.mean, model.std, strict=True)])
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Any batch."""
        image = torch.addcmul(self.shift, pixels.to(torch.float32), self.scale).permute(0, 3, 1, 2)
        return functional.normalize(self.visual(image), dim=-1)


class TextGraph(nn.Module):
    """`token_ids` int64 to `embedding`.

    Attention is causal and pooling happens at the end token, so a batch may be as short as its longest text:
    positions and mask are cut to the length given.
    """

    def __init__(self, model: ReferenceModel):
        super().__init__()
        clip = model.clip
        self.token_embedding, self.positions = clip.token_embedding, clip.positional_embedding
        self.transformer = _with_plain_attention(clip.transformer)
        self.norm, self.projection = clip.ln_final, clip.text_projection
        self.end_id = clip.vocab_size - 1
        # Not -inf, which fp16 and bf16 versions of a graph do not all survive; exp(-10000) is 0 as well.
        self.register_buffer("mask", clip.attn_mask.clamp(min=-1e4))

    def forward(self, token_ids: Tensor) -> Tensor:
        """Any batch, any length up to the context."""
        length = token_ids.shape[1]
        states = self.token_embedding(token_ids) + self.positions[:length]
        states = self.transformer(states, attn_mask=self.mask[:length, :length])
        end = (token_ids == self.end_id).to(torch.int32).argmax(dim=-1)
        pooled = self.norm(states[torch.arange(states.shape[0]), end])
        return functional.normalize(_project(self.projection, pooled), dim=-1)


def _project(projection: nn.Linear | nn.Parameter, vectors: Tensor) -> Tensor:
    return projection(vectors) if isinstance(projection, nn.Linear) else vectors @ projection


def _with_plain_attention(tower: nn.Module) -> nn.Module:
    """A copy in evaluation mode."""
    tower = copy.deepcopy(tower).eval()
    for block in tower.modules():
        if isinstance(block, open_clip.transformer.ResidualAttentionBlock):
            block.attn = PlainAttention(block.attn)
    return tower
