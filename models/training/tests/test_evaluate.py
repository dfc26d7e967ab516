"""The measures, on cases computed by hand."""

import numpy as np
import pytest

from clip_in_training.export.evaluate.pairs import pair_accuracy, pair_is_right
from clip_in_training.export.evaluate.retrieval import recall


@pytest.mark.parametrize(
    ("similarity", "right"),
    [
        # rows are images, columns are texts
        ([[0.9, 0.2], [0.1, 0.8]], True),
        ([[0.9, 0.8], [0.1, 0.9]], True),  # the first text prefers its image, and so does the second
        ([[0.5, 0.2], [0.5, 0.8]], False),  # a tie is wrong
        ([[0.9, 0.8], [0.1, 0.8]], False),
        ([[0.5, 0.5], [0.5, 0.5]], False),
        ([[0.1, 0.9], [0.9, 0.1]], False),
        # correct from image to text, wrong from text to image: the rule is text to image
        ([[0.6, 0.5], [0.7, 0.9]], False),
    ],
)
def test_the_pair_rule(similarity, right):
    assert pair_is_right(np.array([similarity])).tolist() == [right]


def test_accuracy_is_the_mean_of_the_categories():
    one, two = np.eye(2)[[0, 1]], np.eye(2)[[1, 0]]
    images = np.stack([one, one, one])
    texts = np.stack([one, two, one])
    table = pair_accuracy(images, texts, np.array(["color", "color", "count"]))
    assert table == {"color": 50.0, "count": 100.0, "mean": 75.0}
    beside = pair_accuracy(images, texts, np.array(["color", "count", "other"]))
    assert beside == {"color": 100.0, "count": 0.0, "other": 100.0, "mean": 50.0}


def test_recall_counts_ties_against_the_model():
    queries = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    gallery = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert recall(queries, gallery, 1) == pytest.approx(100 / 3)
    assert recall(queries, gallery, 2) == 100
