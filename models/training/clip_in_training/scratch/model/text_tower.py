"""The text encoder: a small causal transformer, pooled at the end-of-text token.

Its positions are rotary, or CLIP's learned table for an ordinary CLIP.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.scratch.model.rope import rotate, rotation

Angles = tuple[Tensor, Tensor]
"""Cosines and sines of `rope.rotation`."""


class Attention(nn.Module):
    """Causal multi-head self-attention, with rotary positions if angles are given.

    Written with plain matrix products: the backward pass of PyTorch's fused CPU attention is slower at this
    size.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, states: Tensor, angles: Angles | None, mask: Tensor) -> Tensor:
        """Maps [batch, length, width] to the same shape; `mask` [length, length] is added to the scores."""
        batch, length, width = states.shape
        split = self.query_key_value(states).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        if angles is not None:
            query, key = rotate(query, *angles), rotate(key, *angles)
        scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-1, -2) + mask.to(query.dtype)
        mixed = scores.softmax(dim=-1).to(value.dtype) @ value
        return self.output(mixed.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, hidden)
        self.mlp_out = nn.Linear(hidden, width)

    def forward(self, states: Tensor, angles: Angles | None, mask: Tensor) -> Tensor:
        """Maps [batch, length, width] to the same shape."""
        states = states + self.attention(self.attention_norm(states), angles, mask)
        return states + self.mlp_out(functional.gelu(self.mlp_in(self.mlp_norm(states))))


class TextTower(nn.Module):
    """Maps token ids to one vector per text.

    `table`: number of entries of a learned table of positions, which limits the length of a text; None for rotary
    positions.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        embedding: int,
        end_id: int,
        table: int | None = None,
    ):
        super().__init__()
        if width % heads:
            raise ValueError(f"text width {width} cannot be divided into {heads} heads")
        self.head_width = width // heads
        self.end_id = end_id
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(0.01 * torch.randn(table, width)) if table else None
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, embedding, bias=False)
        self._initialise(width, depth)

    def _initialise(self, width: int, depth: int) -> None:
        """CLIP's initialisation: residual branches start small, so that the sum stays bounded with depth."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        residual_std = width**-0.5 * (2 * depth) ** -0.5
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.normal_(block.attention.query_key_value.weight, std=width**-0.5)
            nn.init.normal_(block.attention.output.weight, std=residual_std)
            nn.init.normal_(block.mlp_in.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp_out.weight, std=residual_std)
        nn.init.normal_(self.projection.weight, std=width**-0.5)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Ids [batch, length] (start, text, end, padding) to vectors [batch, embedding], not normalised.

        Attention is causal and pooling uses the *first* end token, so tokens after it have no influence.
        """
        length = token_ids.shape[1]
        states = self.token_embedding(token_ids)
        angles = None
        if self.positions is None:
            angles = rotation(length, self.head_width, states)
        else:
            states = states + self.positions[:length]
        position = torch.arange(length, device=token_ids.device)
        future = position[None, :] > position[:, None]
        mask = torch.zeros(future.shape, device=states.device).masked_fill(future, -1e4)
        for block in self.blocks:
            states = block(states, angles, mask)
        end = (token_ids == self.end_id).to(torch.int32).argmax(dim=-1)
        pooled = states[torch.arange(states.shape[0], device=states.device), end]
        return self.projection(self.norm(pooled))
