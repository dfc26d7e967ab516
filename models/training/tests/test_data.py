"""Order of the rows, augmentation, and errors for broken data."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_in_training.scratch.data.augment import augment
from clip_in_training.scratch.data.examples import label_row, load_edits
from clip_in_training.scratch.data.order import Order
from clip_in_training.scratch.data.shards import DataError, fingerprint
from clip_in_training.scratch.losses.attributes import UNKNOWN
from clip_in_training.scratch.recipe import AugmentRecipe
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES
from clip_in_training.scratch.scenes.generate import generate_edits

CATEGORY = np.array(["color"] * 10 + ["text"] * 10)


def test_an_epoch_shows_every_row_once():
    order = Order(CATEGORY, {}, 4, seed=1)
    assert sorted(np.concatenate([order.rows(s) for s in range(5)]).tolist()) == list(range(20))


def test_a_step_always_has_the_same_rows():
    order, again = Order(CATEGORY, {"text": 1.5}, 4, seed=1), Order(CATEGORY, {"text": 1.5}, 4, seed=1)
    forward = [order.rows(step).tolist() for step in range(30)]
    backward = [again.rows(step).tolist() for step in reversed(range(30))]
    assert forward == backward[::-1]
    assert forward != [Order(CATEGORY, {"text": 1.5}, 4, seed=2).rows(s).tolist() for s in range(30)]


def test_weights_are_rates():
    order = Order(CATEGORY, {"text": 2.0}, 6, seed=1)
    rows = np.concatenate([order.rows(step) for step in range(order.per_epoch)])
    assert (rows >= 10).sum() == 20 and (rows < 10).sum() == 10


def test_a_misspelt_category_is_refused():
    with pytest.raises(ValueError, match="unknown categories: colour"):
        Order(CATEGORY, {"colour": 2.0}, 4, seed=1)


def test_augmentation_only_moves_the_image():
    pixels = np.zeros((50, 16, 16, 3), dtype=np.uint8)
    pixels[:, 8, 8] = 255
    images, moved = augment(
        pixels, AugmentRecipe(shift=3, brightness=0, contrast=0), np.random.default_rng(0)
    )
    places = [tuple(np.argwhere(image[..., 0] == 255)[0]) for image in images]
    assert len(set(places)) > 20 and all(5 <= r <= 11 and 5 <= c <= 11 for r, c in places)
    assert places == [(8 + down, 8 + right) for down, right in moved]
    same, _ = augment(pixels, AugmentRecipe(shift=0, brightness=0, contrast=0), np.random.default_rng(0))
    assert (same == pixels).all()


def test_labels_follow_the_table():
    table = {"color": ["red", "blue"], "count": ["1", "2"]}
    assert label_row(json.dumps({"color": "blue", "count": 2}), table) == [1, 1]
    assert label_row(json.dumps({"color": "pink"}), table) == [UNKNOWN, UNKNOWN]


@pytest.fixture
def folder(tmp_path):
    generate_edits(tmp_path, 1, 3, split="test", size=64, workers=1)
    return tmp_path


def test_edits_are_read_and_cached(folder):
    first, second = load_edits(folder, 64, ATTRIBUTES), load_edits(folder, 64, ATTRIBUTES)
    assert first.pixels.shape == (10, 2, 64, 64, 3) and first.labels.shape == (10, 2, len(ATTRIBUTES))
    assert (first.pixels == second.pixels).all() and first.short == second.short
    assert (first.labels != UNKNOWN).all()
    assert all(a != b for a, b in first.short)


def test_the_fingerprint_changes_with_the_data(folder):
    before = fingerprint(folder)
    assert before == fingerprint(folder)
    generate_edits(folder, 1, 4, split="test", size=64, workers=1)
    assert fingerprint(folder) != before


def test_broken_data_is_named(folder, tmp_path):
    with pytest.raises(DataError, match=r"run `python -m clip_in_training generate`"):
        load_edits(tmp_path / "nothing", 64, ATTRIBUTES)
    with pytest.raises(DataError, match="but the recipe says 32x32"):
        load_edits(folder, 32, ATTRIBUTES)
    (shard,) = folder.glob("edits-*.parquet")
    table = pq.read_table(shard)
    pq.write_table(table.drop_columns(["source_caption"]), shard)
    with pytest.raises(DataError, match=r"lacks the column.*source_caption"):
        load_edits(folder, 64, ATTRIBUTES)
    broken = pa.array([{"bytes": b"not an image", "path": "x.png"}] * len(table), table["source_image"].type)
    column = table.schema.get_field_index("source_image")
    pq.write_table(table.set_column(column, "source_image", broken), shard)
    with pytest.raises(DataError, match=r"row 0 .* unreadable image"):
        load_edits(folder, 64, ATTRIBUTES)
    shard.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(DataError, match="cannot read"):
        load_edits(folder, 64, ATTRIBUTES)
