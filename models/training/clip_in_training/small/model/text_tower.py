"""The text encoder: rotary MiniLM, frozen, and heads on its tokens' states."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.scratch.model.rope import rotation
from clip_in_training.scratch.model.text_tower import Block
from clip_in_training.small.lite0 import CLASSES
from clip_in_training.small.model.image_tower import joined_parts
from clip_in_training.small.recipe import HeadsRecipe
from clip_in_training.small.text.encoder import Encoder, hidden, mean_of

LOWEST = -8.0
"""Smallest `balance`: below it nothing is left to train."""


class FineText(nn.Module):
    """A small transformer on the frozen states: one vector a text."""

    def __init__(self, shape: HeadsRecipe, width: int):
        super().__init__()
        inner = shape.text_width
        self.head_width = inner // shape.text_heads
        self.enter = nn.Linear(2 * width, inner)
        self.blocks = nn.ModuleList(
            Block(inner, shape.text_heads, 3 * inner) for _ in range(shape.text_layers)
        )
        self.norm = nn.LayerNorm(inner)
        self.queries = nn.Linear(inner, shape.text_queries)
        self.join = nn.Linear((1 + shape.text_queries) * inner, 2 * inner)

    def forward(self, first: Tensor, last: Tensor, seen: Tensor) -> Tensor:
        """States before the first layer and after the last one [batch, length, width], and which are no padding, to
        [batch, 2 * text_width].
        """
        states = self.enter(torch.cat([first, last], dim=-1))
        unseen = hidden(seen, states)
        angles = rotation(states.shape[1], self.head_width, states)
        for block in self.blocks:
            states = block(states, angles, unseen)
        states = self.norm(states)
        look = (self.queries(states).transpose(1, 2) + unseen.squeeze(1)).softmax(dim=-1)
        read = (look @ states).flatten(1)
        return functional.gelu(self.join(torch.cat([mean_of(states, seen), read], dim=-1)))


class TextHeads(nn.Module):
    """From the frozen states to the embedding."""

    def __init__(self, shape: HeadsRecipe, width: int):
        super().__init__()
        self.names = nn.Linear(width, CLASSES, bias=False)
        """Cosines to the classes' names, divided by the temperature."""
        self.world = nn.Linear(CLASSES, shape.world)
        self.names.requires_grad_(False)
        self.world.requires_grad_(False)
        self.reader = FineText(shape, width)
        self.fine = nn.Linear(2 * shape.text_width, shape.fine)
        self.balance = nn.Linear(2 * shape.text_width, 1)
        self.share = shape.share

    def forward(self, first: Tensor, last: Tensor, seen: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's states and its vector [batch, width] to unit vectors [batch, world + fine], and how much
        of the largest share the trained part has [batch].
        """
        read = self.reader(first, last, seen)
        near = self.names(functional.normalize(vector, dim=-1)).softmax(dim=-1)
        balance = self.balance(read).clamp(min=LOWEST).sigmoid()
        joined = joined_parts(self.world(near), self.fine(read), self.share * balance)
        return joined, balance.squeeze(-1)


class TextTower(nn.Module):
    """Token ids to unit vectors."""

    def __init__(self, encoder: Encoder, heads: TextHeads):
        super().__init__()
        self.encoder, self.heads = encoder.requires_grad_(False), heads

    def forward(self, token_ids: Tensor) -> Tensor:
        """Ids [batch, length] to unit vectors [batch, world + fine]."""
        first, last, seen = self.encoder.read(token_ids)
        return self.heads(first, last, seen, self.encoder.pool(last, seen))[0]
