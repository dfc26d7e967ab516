"""Which records a step sees: a pure function of (seed, step), the same for any number of processes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.reader import Reader

WINDOW_BYTES = 512 << 20
"""Row groups whose rows are mixed take at most about this much memory; it fits the readers' caches."""
MOST_GROUPS = 16
"""Groups whose rows are mixed, at most."""
PATTERN = 4096
"""Slots after which the sources take turns as before; the finest share of a source is one slot of these."""


class Place(NamedTuple):
    """A record of a step. Places sort by what is cheap to read together."""

    source: int
    """Number of the source in the recipe."""
    group: int
    row: int


class Stream:
    """The endless order of one source's rows.

    Each epoch shuffles the groups, and the rows within windows of several groups: every row comes once,
    and few groups are needed at a time. How many groups a window has depends on the data alone.
    """

    def __init__(self, reader: Reader, seed: Sequence[int], step: int = 1):
        """`step`: at most so many rows are taken at a time. Where an epoch ends within a step, the next
        one begins with other rows than this one's last, so that no row comes twice in a step. (Except
        where the source has fewer than four times as many rows: then it may.)
        """
        groups = reader.groups()
        self.starts = np.array([g.start for g in groups], dtype=np.int64)
        self.sizes = np.array([len(g) for g in groups], dtype=np.int64)
        self.length = int(self.sizes.sum())
        self.margin = step if 1 < step <= self.length // 4 else 0
        fitting = WINDOW_BYTES // reader.group_bytes if reader.group_bytes else MOST_GROUPS
        self.window = max(1, min(MOST_GROUPS, fitting))
        self.seed = list(seed)
        self._epochs: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._windows: dict[tuple[int, int], np.ndarray] = {}
        self._heads: dict[int, np.ndarray] = {}

    def rows(self, start: int, count: int) -> np.ndarray:
        """int64 [count]: row numbers at `start`, `start + 1` … of the stream."""
        parts = []
        while count:
            epoch, offset = divmod(start, self.length)
            if offset < 3 * self.margin:
                part = self._head(epoch)[offset : offset + count]
            else:
                part = self._dealt(epoch, offset)[:count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def _dealt(self, epoch: int, offset: int) -> np.ndarray:
        """The rows of an epoch from `offset` to the end of the window there, as they were dealt."""
        ends = self._epoch(epoch)[1]
        window = int(np.searchsorted(ends, offset, side="right"))
        return self._window(epoch, window)[offset - (int(ends[window - 1]) if window else 0) :]

    def _head(self, epoch: int) -> np.ndarray:
        """The first rows of an epoch, three margins: those of the first that are among the last epoch's
        last margin have changed places with later ones that are not.
        """

        def exchange():
            head = self._run(epoch, 0, 3 * self.margin)
            if epoch:
                last = np.isin(head, self._run(epoch - 1, self.length - self.margin, self.margin))
                clash = np.flatnonzero(last[: self.margin])
                free = self.margin + np.flatnonzero(~last[self.margin :])[: len(clash)]
                head[clash], head[free] = head[free], head[clash]
            return head

        return _remembered(self._heads, epoch, exchange)

    def _run(self, epoch: int, offset: int, count: int) -> np.ndarray:
        """Some rows of one epoch as they were dealt."""
        parts = []
        while count:
            part = self._dealt(epoch, offset)[:count]
            parts.append(part)
            offset, count = offset + len(part), count - len(part)
        return np.concatenate(parts)

    def group_of(self, rows: np.ndarray) -> np.ndarray:
        """The group of each row."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def _epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The groups of an epoch in their order, and after how many rows each window ends."""

        def deal():
            order = np.random.default_rng([*self.seed, epoch]).permutation(len(self.sizes))
            ends = np.cumsum(self.sizes[order])
            last = np.minimum(np.arange(self.window, len(ends) + self.window, self.window), len(ends)) - 1
            return order, ends[last]

        return _remembered(self._epochs, epoch, deal)

    def _window(self, epoch: int, window: int) -> np.ndarray:
        """The rows of a window in their order."""

        def shuffle():
            groups = self._epoch(epoch)[0][window * self.window : (window + 1) * self.window]
            rows = [np.arange(self.starts[g], self.starts[g] + self.sizes[g]) for g in groups]
            return np.random.default_rng([*self.seed, epoch, window]).permutation(np.concatenate(rows))

        return _remembered(self._windows, (epoch, window), shuffle)


def _remembered(kept: dict, key, make):
    """Makes a value once; the last two are kept, since a step may lie across a border."""
    if key not in kept:
        while len(kept) > 1:
            del kept[next(iter(kept))]
        kept[key] = make()
    return kept[key]


class Mixture:
    """Sources of one role, mixed by weight.

    Slots of a step go to the sources in a fixed pattern, so that every source has its exact share over
    `PATTERN` slots and each goes through its own epochs.
    """

    def __init__(self, readers: Sequence[tuple[int, Reader]], per_step: int, seed: int, role: int):
        """`readers` with their numbers in the recipe; `role` keeps the orders of different roles apart.

        Raises `DataError` if a step would need more records than a source has: an image that occurs twice
        would be its own negative.
        """
        self.per_step = per_step
        self.sources = [number for number, _ in readers]
        self.streams: list[Stream] = []
        pattern = _pattern(np.array([reader.recipe.weight for _, reader in readers], dtype=np.float64))
        self._before = np.stack([np.concatenate([[0], np.cumsum(pattern == k)]) for k in range(len(readers))])
        for k, (number, reader) in enumerate(readers):
            most = max(
                self._taken(k, start + per_step) - self._taken(k, start) for start in range(0, PATTERN)
            )
            if most > len(reader):
                raise DataError(
                    f"{reader} has {len(reader)} records, and a step takes up to {most} of them; lower its"
                    " weight, or the batch"
                )
            self.streams.append(Stream(reader, (seed, role, number), most))

    def step(self, step: int) -> list[Place]:
        """The records of a step, sorted."""
        start = step * self.per_step
        places = []
        for k, (source, stream) in enumerate(zip(self.sources, self.streams, strict=True)):
            first = self._taken(k, start)
            rows = stream.rows(first, self._taken(k, start + self.per_step) - first)
            groups = stream.group_of(rows)
            places += [Place(source, g, r) for g, r in zip(groups.tolist(), rows.tolist(), strict=True)]
        return sorted(places)

    def _taken(self, k: int, slots: int) -> int:
        """How many of the first `slots` slots are the source's."""
        whole, rest = divmod(slots, PATTERN)
        return whole * int(self._before[k, -1]) + int(self._before[k, rest])


def _pattern(weights: np.ndarray) -> np.ndarray:
    """int [PATTERN]: the source of each slot, every source as evenly spread as its share allows."""
    exact = weights / weights.sum() * (PATTERN - len(weights))
    counts = np.floor(exact).astype(np.int64) + 1
    for k in np.argsort(np.floor(exact) - exact, kind="stable")[: PATTERN - counts.sum()]:
        counts[k] += 1
    source = np.repeat(np.arange(len(weights)), counts)
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in counts])
    return source[np.lexsort((source, place))]


def share(places: Sequence[Place], rank: int, world: int) -> list[Place]:
    """The part of process `rank` of `world`: a run of the sorted places, so that processes read different
    groups. The number of places must be a multiple of `world`.
    """
    size = len(places) // world
    return list(places[rank * size : (rank + 1) * size])
