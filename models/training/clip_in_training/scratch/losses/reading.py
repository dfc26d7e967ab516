"""Trains the image tower to find a printed code and to read its characters.

From the attribute labels alone the model learns codes late: it must guess at the same time which of 256 cells holds
a character and which of 33 characters it is. The drawing knows the position of each character, so the two are
trained separately: query i of the tower looks at character i, and what it reads there names the character.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.scratch.losses.attributes import UNKNOWN


@dataclass
class CodeReading:
    """The tower's outputs for the first queries: `look` log-probabilities [batch, characters, cells], `names`
    logits [batch, characters, values] read at the true cells.
    """

    look: Tensor
    names: Tensor


def reading_loss(reading: CodeReading, cells: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of looking at the correct cell plus that of naming its character.

    `cells` and `labels` are int64 [batch, characters], `UNKNOWN` where a scene has no such character.
    """
    if (cells == UNKNOWN).all():
        return reading.look.sum() * 0 + reading.names.sum() * 0
    where = functional.nll_loss(reading.look.flatten(0, 1), cells.flatten(), ignore_index=UNKNOWN)
    known = labels.masked_fill(cells == UNKNOWN, UNKNOWN).flatten()
    what = functional.cross_entropy(reading.names.flatten(0, 1), known, ignore_index=UNKNOWN)
    return where + what


def cells_of(places: Tensor, moved: Tensor, size: int, grid: int) -> Tensor:
    """Cells of a `grid` x `grid` map, in reading order, that contain positions in a picture of `size` pixels.

    `places` [batch, characters, 2] are (x, y) in units of the picture's side, NaN for none. `moved` [batch, 2] is
    how far augmentation moved the content (down, right), in pixels. The result is `UNKNOWN` for none and for
    positions that moved out of the picture.
    """
    shift = moved.flip(-1).unsqueeze(1) / size
    cell = ((places + shift) * grid).floor()
    inside = ((cell >= 0) & (cell < grid)).all(-1)
    cell = torch.nan_to_num(cell).long()
    return torch.where(inside, cell[..., 1] * grid + cell[..., 0], UNKNOWN)
