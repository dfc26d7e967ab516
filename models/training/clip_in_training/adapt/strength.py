"""How far to go: the strength of the adapters that is best on pairs they were not trained on, and forgets nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_in_training.adapt.adapters import Adapters
from clip_in_training.adapt.embedded import Embedded
from clip_in_training.adapt.measure import Right, right
from clip_in_training.adapt.replay import Replay

STRENGTHS = tuple(number / 10 for number in range(11))
FEWEST = 10
"""Validation pairs below which parts of train and validation take turns instead."""
FOLDS = 5
ROUNDING = 1e-9
"""Of percents."""


@dataclass(frozen=True)
class Point:
    """One strength of adapters with one anchor."""

    anchor: float
    strength: float
    held_out: Right
    """On pairs that the adapters were not trained on."""
    protected: float | None
    """Percent of the protected edits that are right; None without replay."""


@dataclass(frozen=True)
class Trained:
    """Adapters of one anchor."""

    anchor: float
    final: Adapters
    """What a new bundle gets."""
    parts: list[tuple[Adapters, Embedded]]
    """Adapters, and the pairs that they were not trained on; the final ones where validation pairs are enough."""


def curve(trained: Trained, replay: Replay | None) -> list[Point]:
    """A point for each strength."""
    points = []
    for strength in STRENGTHS:
        found = [right(*adapters(held.images, held.texts, strength)) for adapters, held in trained.parts]
        together = Right(
            np.concatenate([each.both for each in found]), np.concatenate([each.margin for each in found])
        )
        kept = None if replay is None else right(*trained.final(*replay.protected(), strength)).percent
        points.append(Point(trained.anchor, strength, together, kept))
    return points


def choose(points: Sequence[Point], least: float | None) -> Point:
    """The point with the most right pairs whose protected share is `least` or more, the one with the largest mean
    margin among equals. The first point, strength 0, if no other has more right pairs.
    """
    allowed = [
        point
        for point in points
        if least is None or point.protected is None or point.protected >= least - ROUNDING
    ]
    best = max(
        allowed, key=lambda point: (point.held_out.count, point.held_out.mean_margin), default=points[0]
    )
    return best if best.held_out.count > points[0].held_out.count else points[0]


def folds(parts: Sequence[str], seed: int) -> list[np.ndarray]:
    """Numbers of the pairs of each fold; the pairs of a part are in one fold. Empty if there is only one part."""
    names = sorted(set(parts))
    count = min(FOLDS, len(names))
    if count < 2:
        return []
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[name]: turn % count for turn, name in enumerate(order)}
    of_pairs = np.array([fold_of[part] for part in parts])
    return [np.flatnonzero(of_pairs == fold) for fold in range(count)]
