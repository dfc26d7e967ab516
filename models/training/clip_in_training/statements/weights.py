"""Weights of the features by conditional logistic regression (McFadden 1974): the true one among the statements."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from clip_in_training.common.errors import DataError
from clip_in_training.statements.questions import Question

RIDGE = 1e-3
"""Of the squared weights of standardised features: keeps those finite that are never wrong."""
STEPS = 200


def fit(questions: Sequence[Question]) -> np.ndarray:
    """The weight of each feature as it is, so that exp(weights·features) is in proportion to the probability.

    Only differences between statements of one question count, so there is no constant. Raises `DataError` if there
    is no question with two statements or more.
    """
    asked = [question for question in questions if len(question.features) > 1]
    if not asked:
        raise DataError("no part has two statements or more: there is nothing to choose from")
    spread = np.concatenate([question.features for question in asked]).std(axis=0)
    spread[spread == 0] = 1.0
    widest = max(len(question.features) for question in asked)
    padded = torch.zeros(len(asked), widest, len(spread), dtype=torch.float64)
    absent = torch.ones(len(asked), widest, dtype=torch.bool)
    for place, question in enumerate(asked):
        count = len(question.features)
        padded[place, :count] = torch.from_numpy(question.features / spread)
        absent[place, :count] = False
    true = torch.tensor([question.true for question in asked])
    weights = torch.zeros(len(spread), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        scores = (padded @ weights).masked_fill(absent, -torch.inf)
        value = functional.cross_entropy(scores, true) + RIDGE * weights.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    return weights.detach().numpy() / spread


def top_1(questions: Sequence[Question], weights: np.ndarray) -> float:
    """Percent of the questions whose true statement is before all others; a tie is wrong."""
    right = []
    for question in questions:
        scores = question.features @ weights
        right.append(scores[question.true] > np.delete(scores, question.true).max(initial=-np.inf))
    return 100 * float(np.mean(right))
