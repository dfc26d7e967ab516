"""MiniLM's text encoder (BERT): with its table of positions, as it was published, or with rotary positions.

A layer normalises after each residual sum. Every token sees all others but the padding, and the vector of a text is
the mean of its tokens' last states, so padding has no influence and any length is possible.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.scratch.model.rope import rotate, rotation

Angles = tuple[Tensor, Tensor]
"""Cosines and sines of `rope.rotation`."""
UNSEEN = -1e4
"""Added to the attention scores of padding; finite, so that fp16 and 8-bit graphs can represent it."""


@dataclass(frozen=True)
class Shape:
    """Sizes of an encoder; the defaults are MiniLM-L6's."""

    vocabulary: int
    layers: int = 6
    table: int | None = 512
    """Entries of the table of positions; None for rotary positions."""
    width: int = 384
    heads: int = 12
    hidden: int = 1536
    pad_id: int = 0
    projected: bool = False
    """Whether a linear map follows the mean, from width to width."""
    epsilon: float = 1e-12


class Layer(nn.Module):
    """One post-norm transformer layer."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.heads = shape.heads
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.output = nn.Linear(shape.width, shape.width)
        self.attention_norm = nn.LayerNorm(shape.width, shape.epsilon)
        self.mlp_in = nn.Linear(shape.width, shape.hidden)
        self.mlp_out = nn.Linear(shape.hidden, shape.width)
        self.mlp_norm = nn.LayerNorm(shape.width, shape.epsilon)

    def forward(self, states: Tensor, angles: Angles | None, unseen: Tensor) -> Tensor:
        """Maps [batch, length, width] to the same shape; `unseen` [batch, 1, 1, length] is added to the scores."""
        states = self.attention_norm(states + self._attention(states, angles, unseen))
        return self.mlp_norm(states + self.mlp_out(functional.gelu(self.mlp_in(states))))

    def _attention(self, states: Tensor, angles: Angles | None, unseen: Tensor) -> Tensor:
        # Plain matrix products, as in `scratch/model/text_tower.py`: the backward pass of PyTorch's fused attention
        # is slower on processors at this size.
        batch, length, width = states.shape
        split = self.query_key_value(states).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        if angles is not None:
            query, key = rotate(query, *angles), rotate(key, *angles)
        scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-1, -2) + unseen.to(query.dtype)
        mixed = scores.softmax(dim=-1).to(value.dtype) @ value
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))


class Encoder(nn.Module):
    """Maps token ids to one vector per text."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.token_embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Parameter(torch.zeros(shape.table, shape.width)) if shape.table else None
        self.norm = nn.LayerNorm(shape.width, shape.epsilon)
        self.blocks = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.projection = nn.Linear(shape.width, shape.width, bias=False) if shape.projected else None

    def forward(self, token_ids: Tensor) -> Tensor:
        """Ids [batch, length], padded to the right, to vectors [batch, width], not normalised."""
        _, states, seen = self.read(token_ids)
        return self.pool(states, seen)

    def read(self, token_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ids [batch, length] to each token's state before the first layer and after the last one, both
        [batch, length, width], and which tokens are no padding, bool [batch, length].
        """
        length = token_ids.shape[1]
        seen = token_ids != self.shape.pad_id
        states = self.token_embedding(token_ids)
        angles = None
        if self.positions is None:
            angles = rotation(length, self.shape.width // self.shape.heads, states)
        else:
            states = states + self.positions[:length]
        first = states = self.norm(states)
        unseen = hidden(seen, states)
        for block in self.blocks:
            states = block(states, angles, unseen)
        return first, states, seen

    def pool(self, states: Tensor, seen: Tensor) -> Tensor:
        """The last states and what is no padding to vectors [batch, width], not normalised."""
        mean = mean_of(states, seen)
        return mean if self.projection is None else self.projection(mean)


def hidden(seen: Tensor, like: Tensor) -> Tensor:
    """What is added to attention scores, [batch, 1, 1, length]: 0 for a token, `UNSEEN` for padding."""
    return (~seen).to(like.dtype)[:, None, None, :] * UNSEEN


def mean_of(states: Tensor, seen: Tensor) -> Tensor:
    """The mean over tokens that are no padding: [batch, length, width] to [batch, width].

    It is 0 for a row of padding alone: a server fills up its batches with such rows.
    """
    weights = seen.to(states.dtype).unsqueeze(-1)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
