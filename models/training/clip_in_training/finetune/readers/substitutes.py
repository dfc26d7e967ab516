"""What stands in for a broken record: chosen by (seed, step, place) alone, so that every run chooses the
same.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from clip_in_training.finetune.readers.order import Place

TRIES_IN_GROUP = 8
TRIES_ANYWHERE = 24


def substitutes(
    place: Place, planned: Sequence[Place], group: range, length: int, seed: Sequence[int]
) -> Iterator[int]:
    """Rows to try instead of `place`, of the same source: first of its group, which is being read anyway,
    then from anywhere. None of them is in the step's `planned` places (of all processes), nor tried for
    another of them.
    """
    source = [p for p in planned if p.source == place.source]
    near = [p for p in source if p.group == place.group]
    yield from _dealt(place, near, group, TRIES_IN_GROUP, [*seed, 0, place.source, place.group])
    yield from _dealt(place, source, range(length), TRIES_ANYWHERE, [*seed, 1, place.source])


def _dealt(place: Place, planned: Sequence[Place], rows: range, tries: int, seed: Sequence[int]) -> list[int]:
    """This place's share of some rows that are dealt to all of `planned`."""
    taken = {p.row for p in planned}
    count = min(len(rows), tries * len(planned) + len(taken))
    drawn = np.random.default_rng(seed).choice(len(rows), size=count, replace=False) + rows.start
    free = [row for row in drawn.tolist() if row not in taken]
    return free[planned.index(place) :: len(planned)][:tries]
