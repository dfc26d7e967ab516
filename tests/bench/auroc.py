"""The area under the receiver operating characteristic."""

from collections.abc import Sequence

import numpy as np


def auroc(good: Sequence[float] | np.ndarray, bad: Sequence[float] | np.ndarray) -> float:
    """The share of pairs in which the bad one has the higher score (Mann-Whitney); ties count half."""
    above = np.asarray(bad)[:, None] - np.asarray(good)
    return float((above > 0).mean() + (above == 0).mean() / 2)
