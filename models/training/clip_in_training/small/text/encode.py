"""Encodes many texts on a processor, short ones with short ones, so that little is spent on padding."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

BATCH = 32
PAD_ID = 0
"""Of the published vocabulary and of the smaller one."""


@torch.inference_mode()
def encode_rows(encoder: nn.Module, rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids to vectors [rows, width] as the encoder gives them, in the order of the rows."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    vectors: list[Tensor | None] = [None] * len(rows)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        ids = torch.full((len(chosen), len(rows[chosen[-1]])), PAD_ID, dtype=torch.int64)
        for place, number in enumerate(chosen):
            ids[place, : len(rows[number])] = torch.tensor(rows[number])
        for number, vector in zip(chosen, encoder(ids), strict=True):
            vectors[number] = vector
    return torch.stack([vector for vector in vectors if vector is not None])
