"""How many pairs are right, before and after an adaptation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_in_training.export.evaluate.pairs import pair_is_right, pair_similarity


@dataclass(frozen=True)
class Right:
    """What a model makes of pairs; each array has a value a pair."""

    both: np.ndarray
    """bool: each caption prefers its picture, and each picture its caption. A tie is wrong."""
    margin: np.ndarray
    """The smallest of the four leads, in cosines; above 0 where the pair is right."""

    @property
    def count(self) -> int:
        """Pairs that are right."""
        return int(self.both.sum())

    @property
    def percent(self) -> float:
        """Their share; NaN of none."""
        return 100 * self.count / len(self.both) if len(self.both) else float("nan")

    @property
    def mean_margin(self) -> float:
        """0 of none."""
        return float(self.margin.mean()) if len(self.margin) else 0.0


def right(images: np.ndarray, texts: np.ndarray) -> Right:
    """Of unit vectors [pairs, 2, embedding_dim] each."""
    similarity = pair_similarity(images, texts)
    both = pair_is_right(similarity) & pair_is_right(similarity.transpose(0, 2, 1))
    first, second = similarity[:, 0, 0], similarity[:, 1, 1]
    leads = [own - other for own in (first, second) for other in (similarity[:, 0, 1], similarity[:, 1, 0])]
    return Right(both, np.min(leads, axis=0) if len(images) else np.zeros(0))


def which(images: np.ndarray, texts: np.ndarray, facts: Sequence[str]) -> np.ndarray:
    """Whether each changed picture is nearest to a caption of its own fact, among the changed captions of all pairs.

    Of unit vectors [pairs, 2, embedding_dim] each; bool [pairs]. Empty if there is one fact only.
    """
    if len(set(facts)) < 2:
        return np.zeros(0, dtype=bool)
    nearest = (images[:, 1] @ texts[:, 1].T).argmax(axis=1)
    return np.array([facts[found] == fact for found, fact in zip(nearest, facts, strict=True)])
