"""Positions on the mat. One side belongs to the object; the other holds small parts, tag and extra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

OBJECT_SIZE = 0.5
"""Side of the square that the object fills, in units of the mat."""


@dataclass(frozen=True)
class Variety:
    """What drawings vary besides: by default nothing, so that the same seed gives the same picture as ever."""

    typefaces: tuple[Path, ...] = ()
    """Font files to print codes with; empty is Pillow's own typeface."""
    floor: Callable[[int, np.random.Generator], np.ndarray] | None = None
    """Draws what is around the mat: float32 [size, size, 3], 0 to 255. None is one plain colour."""


PLAIN = Variety()
"""Pictures as ever."""


@dataclass(frozen=True)
class Layout:
    """All properties of a picture that its attributes do not determine, as one number.

    Each part of the drawing has its own stream of random numbers, so that changing one attribute leaves the rest of
    the picture exactly as it was.
    """

    seed: int
    variety: Variety = PLAIN

    def stream(self, part: str) -> Random:
        """The random numbers of one part of the drawing."""
        return Random(f"{self.seed}/{part}")


@dataclass(frozen=True)
class Places:
    """Centres in units of the mat, (0, 0) at its upper left."""

    main: tuple[float, float]
    tag: tuple[float, float]
    extra: tuple[float, float]
    extra_degrees: float
    items: list[tuple[float, float]]  # the six sites of which the first ``count`` are taken


def places(position: str, layout: Layout) -> Places:
    """Lay out a scene whose object lies in the given half."""
    jitter = layout.stream("places")
    swap = jitter.random() < 0.5
    across, along = jitter.uniform(0.27, 0.3), jitter.uniform(0.42, 0.58)
    shake = [(jitter.uniform(-1, 1), jitter.uniform(-1, 1)) for _ in range(6)]
    order = list(range(6))
    jitter.shuffle(order)
    if position in ("left", "right"):
        tag, extra, item_along = (0.79, 0.13), (0.79, 0.88), 0.51
        cells = [(0.79 + 0.155 * (k % 3 - 1), item_along + 0.2 * (k // 3 - 0.5)) for k in range(6)]
        cells = [(x + 0.008 * a, y + 0.028 * b) for (x, y), (a, b) in zip(cells, shake, strict=True)]
        main, degrees = (across, along), 0.0
        if swap:
            tag, extra = (tag[0], 1 - tag[1]), (extra[0], 1 - extra[1])
            cells = [(x, 1 - y) for x, y in cells]
    else:
        tag, extra = (0.205, 0.79), (0.905, 0.79)
        cells = [(0.625 + 0.15 * (k % 3 - 1), 0.79 + 0.2 * (k // 3 - 0.5)) for k in range(6)]
        cells = [(x + 0.008 * a, y + 0.028 * b) for (x, y), (a, b) in zip(cells, shake, strict=True)]
        main, degrees = (along, across), 90.0
        if swap:
            tag, extra = (1 - tag[0], tag[1]), (1 - extra[0], extra[1])
            cells = [(1 - x, y) for x, y in cells]
    if position == "right":
        main, tag, extra = ((1 - x, y) for x, y in (main, tag, extra))
        cells = [(1 - x, y) for x, y in cells]
    elif position == "bottom":
        main, tag, extra = ((x, 1 - y) for x, y in (main, tag, extra))
        cells = [(x, 1 - y) for x, y in cells]
    degrees += jitter.uniform(-9, 9) + (180 if jitter.random() < 0.5 else 0)
    return Places(main, tag, extra, degrees, [cells[k] for k in order])
