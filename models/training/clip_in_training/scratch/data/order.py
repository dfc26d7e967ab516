"""The rows of each step: a pure function of (seed, step), so that a resumed run continues where it stopped."""

import numpy as np


class Order:
    """Deals rows in epochs, without repetition within an epoch.

    A row whose category has weight 1.5 occurs once in every epoch and a second time in half of them. The default
    weight of a category is 1.
    """

    def __init__(self, category: np.ndarray, weights: dict[str, float], batch: int, seed: int):
        unknown = set(weights) - set(np.unique(category).tolist())
        if unknown:
            raise ValueError(f"category_weights names unknown categories: {', '.join(sorted(unknown))}")
        self.weight = np.array([weights.get(name, 1.0) for name in category])
        self.batch, self.seed = batch, seed
        self.per_epoch = max(1, int(self.weight.sum()) // batch)
        self._epoch, self._rows = -1, np.empty(0, dtype=np.int64)

    def rows(self, step: int) -> np.ndarray:
        """Row numbers of a step's batch. Steps count from 0 without limit."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._rows, self._epoch = self._deal(epoch), epoch
        start = place * self.batch
        return np.take(self._rows, np.arange(start, start + self.batch), mode="wrap")

    def _deal(self, epoch: int) -> np.ndarray:
        """All rows of an epoch, shuffled."""
        random = np.random.default_rng([self.seed, epoch])
        times = np.floor(self.weight + random.random(len(self.weight))).astype(np.int64)
        rows = np.repeat(np.arange(len(self.weight)), times)
        random.shuffle(rows)
        return rows
