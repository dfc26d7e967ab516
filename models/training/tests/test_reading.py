"""Positions of the characters of a code, and the loss that trains the model to read them."""

import math

import numpy as np
import pytest
import torch

from clip_in_training.scratch.losses.attributes import UNKNOWN
from clip_in_training.scratch.losses.reading import CodeReading, cells_of, reading_loss
from clip_in_training.scratch.scenes.drawing import code_places, draw
from clip_in_training.scratch.scenes.generate import single_scene, stream
from clip_in_training.scratch.scenes.layout import Layout


def test_cells_are_counted_in_reading_order_and_follow_the_image():
    places = torch.tensor([[[0.3, 0.6], [0.99, 0.0], [math.nan, math.nan]]])
    still = torch.zeros(1, 2, dtype=torch.int64)
    assert cells_of(places, still, 128, 4).tolist() == [[2 * 4 + 1, 3, UNKNOWN]]
    # 16 pixels down and 32 to the right of 128: half a cell and a whole one
    assert cells_of(places, torch.tensor([[16, 32]]), 128, 4).tolist() == [[2 * 4 + 2, UNKNOWN, UNKNOWN]]


def test_the_loss_is_two_cross_entropies_over_existing_characters():
    look = torch.full((1, 2, 4), 0.25).log()
    names = torch.zeros(1, 2, 5)
    cells, labels = torch.tensor([[3, UNKNOWN]]), torch.tensor([[2, 0]])
    expected = math.log(4) + math.log(5)
    assert reading_loss(CodeReading(look, names), cells, labels).item() == pytest.approx(expected, abs=1e-6)
    nothing = torch.full((1, 2), UNKNOWN)
    assert reading_loss(CodeReading(look, names), nothing, labels).item() == 0


@pytest.mark.parametrize("index", range(6))
def test_places_are_where_the_characters_are_drawn(index):
    """Changing one character changes the picture around its place, and nowhere else."""
    attributes, number = None, index
    while attributes is None or attributes["code_0"] == "none":
        attributes = single_scene(stream(3, "test", "places", number), 64).attributes
        number += 100
    layout = Layout(index)
    places = code_places(attributes, layout)
    assert len(places) == sum(attributes[f"code_{k}"] != "none" for k in range(3))
    for k, (x, y) in enumerate(places):
        other = {**attributes, f"code_{k}": "M" if attributes[f"code_{k}"] != "M" else "1"}
        before, after = (np.asarray(draw(a, layout, 128), int) for a in (attributes, other))
        rows, columns = np.nonzero(np.abs(after - before).sum(-1) > 60)
        assert abs(columns.mean() / 128 - x) < 0.035 and abs(rows.mean() / 128 - y) < 0.035
