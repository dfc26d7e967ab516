"""Captions of a batch, encoded by the text's head from the frozen tower's states."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from clip_in_training.small.model.text_tower import TextHeads
from clip_in_training.small.train.states import Read, States

CHUNK = 32
"""Texts that are padded together, so that long ones cost short ones nothing."""


class Captions(NamedTuple):
    """States of some texts, short ones with short ones."""

    places: list[int]
    """For each row, its place among the texts of all chunks."""
    chunks: list[Read]


def captions(states: States, rows: Sequence[int]) -> Captions:
    """The states of some rows."""
    order = sorted(range(len(rows)), key=lambda place: len(states.ids[rows[place]]))
    read = [
        states.read([rows[place] for place in order[start : start + CHUNK]])
        for start in range(0, len(order), CHUNK)
    ]
    places = [0] * len(order)
    for rank, place in enumerate(order):
        places[place] = rank
    return Captions(places, read)


def encode(heads: TextHeads, texts: Captions) -> tuple[Tensor, Tensor]:
    """Unit vectors and shares of the trained part, in the order of the rows that `captions` was given."""
    vectors, shares = zip(*(heads(*chunk) for chunk in texts.chunks), strict=True)
    return torch.cat(vectors)[texts.places], torch.cat(shares)[texts.places]
