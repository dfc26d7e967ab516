"""Teaches the image tower where a printed code is and what its characters are.

From the attribute labels alone, a code is learnt late: which of 256 cells holds a character, and which of 33
it is, must be guessed together. The drawing knows where each character is, so the two are taught apart:
query i of the tower looks at character i, and what is read there names it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.scratch.losses.attributes import UNKNOWN


@dataclass
class CodeReading:
    """What the tower makes of the first queries: `look` log-probabilities [batch, characters, cells], `names`
    logits [batch, characters, values] read at the true cells.
    """

    look: Tensor
    names: Tensor


def reading_loss(reading: CodeReading, cells: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of looking at the right cell plus that of naming what is there.

    `cells` and `labels` are int64 [batch, characters], `UNKNOWN` where a scene has no such character.
    """
    if (cells == UNKNOWN).all():
        return reading.look.sum() * 0 + reading.names.sum() * 0
    where = functional.nll_loss(reading.look.flatten(0, 1), cells.flatten(), ignore_index=UNKNOWN)
    known = labels.masked_fill(cells == UNKNOWN, UNKNOWN).flatten()
    what = functional.cross_entropy(reading.names.flatten(0, 1), known, ignore_index=UNKNOWN)
    return where + what


def cells_of(places: Tensor, moved: Tensor, size: int, grid: int) -> Tensor:
    """Cells of a `grid` x `grid` map, in reading order, that hold places of a picture of `size` pixels.

    `places` [batch, characters, 2] are (x, y) in units of the picture's side, NaN for none; `moved`
    [batch, 2] is how far augmentation moved the content (down, right), in pixels. `UNKNOWN` for none and for
    what moved out.
    """
    shift = moved.flip(-1).unsqueeze(1) / size
    cell = ((places + shift) * grid).floor()
    inside = ((cell >= 0) & (cell < grid)).all(-1)
    cell = torch.nan_to_num(cell).long()
    return torch.where(inside, cell[..., 1] * grid + cell[..., 0], UNKNOWN)
