"""The written files and the drawn pictures."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES, ATTRIBUTES, CATEGORIES
from clip_in_training.scratch.scenes.drawing import draw
from clip_in_training.scratch.scenes.edits import sample_edit
from clip_in_training.scratch.scenes.generate import (
    EDIT_SCHEMA,
    QUALITY_COLUMNS,
    SCENE_SCHEMA,
    edit_pair,
    generate_edits,
    generate_scenes,
    single_scene,
    stream,
)
from clip_in_training.scratch.scenes.layout import Layout


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def edits(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("edits")
    generate_edits(folder, 6, seed=7, workers=1, shard_rows=40, split="test")
    return folder


def test_same_bytes_whatever_the_number_of_workers(edits, tmp_path):
    generate_edits(tmp_path, 6, seed=7, workers=2, shard_rows=40, split="test")
    assert _digests(edits) == _digests(tmp_path)
    assert list(_digests(edits)) == ["edits-00000.parquet", "edits-00001.parquet"]


def test_columns_and_rows_of_edits(edits):
    table = pq.read_table(edits / "edits-00000.parquet")
    assert table.schema.equals(EDIT_SCHEMA)
    rows = table.to_pylist() + pq.read_table(edits / "edits-00001.parquet").to_pylist()
    assert [row["category"] for row in rows] == ALL_CATEGORIES * 6
    for row in rows:
        assert all(row[name] is None for name in QUALITY_COLUMNS)
        for side in ("source", "target"):
            assert list(json.loads(row[f"{side}_attributes"])) == list(ATTRIBUTES)
        for column in ("source_image", "edited_image"):
            image = Image.open(io.BytesIO(row[column]["bytes"]))
            assert image.size == (128, 128) and image.mode == "RGB"
        assert row["source_caption"] != row["target_caption"]
        assert row["source_caption_long"] != row["target_caption_long"]
    assert {row["rejittered"] for row in rows} == {True, False}


def test_scenes_on_disk(tmp_path):
    generate_scenes(tmp_path, 10, seed=1, size=64, workers=1, split="validation")
    table = pq.read_table(tmp_path / "scenes-00000.parquet")
    assert table.schema.equals(SCENE_SCHEMA) and table.num_rows == 10
    assert Image.open(io.BytesIO(table["image"][0].as_py()["bytes"])).size == (64, 64)


def test_files_of_an_earlier_run_are_removed(tmp_path):
    generate_scenes(tmp_path, 6, seed=1, size=32, workers=1, shard_rows=2)
    generate_scenes(tmp_path, 3, seed=1, size=32, workers=1, shard_rows=2)
    assert sum(pq.read_table(path).num_rows for path in tmp_path.iterdir()) == 3


def test_splits_and_seeds_share_no_scene():
    seen = set()
    keys = [(seed, split) for seed in (0, 1) for split in ("train", "validation", "test")]
    for seed, split in keys:
        for index in range(20):
            scene = single_scene(stream(seed, split, "scene", index), 32)
            seen.add((tuple(scene.attributes.values()), scene.image.tobytes()))
    assert len(seen) == len(keys) * 20


def test_unknown_split_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="unknown split"):
        generate_edits(tmp_path / "out", 1, seed=1, split="held-out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("category", ALL_CATEGORIES)
def test_unjittered_pairs_differ_where_the_edit_is_and_nowhere_else(category):
    shares = []
    for index in range(60):
        pair = edit_pair(category, stream(2, "test", category, index))
        difference = np.abs(
            np.asarray(pair.source.image, dtype=int) - np.asarray(pair.target.image, dtype=int)
        ).max(axis=2)
        changed = (difference > 20).sum()
        assert changed >= 12, (index, pair.edited, pair.source.attributes, pair.target.attributes)
        if not pair.rejittered:
            shares.append((pair.edited, (difference > 0).mean()))
    assert len(shares) > 15
    limits = {"light": 1.0, "object": 0.6, "viewpoint": 1.0, "surface": 1.0, "position": 0.7}
    for edited, share in shares:
        # A part and its shadow, never the whole picture.
        assert share < limits.get(edited, 0.36), (edited, share)


def test_every_value_of_every_attribute_shows():
    """Every label is visible in the picture: changing it changes pixels."""
    from random import Random

    random = Random(0)
    for category in ALL_CATEGORIES:
        for _ in range(6):
            edit = sample_edit(category, random)
            layout = Layout(random.getrandbits(60))
            assert draw(edit.source, layout, 64).tobytes() != draw(edit.target, layout, 64).tobytes()
    edit = sample_edit("color", random)
    lit = [draw({**edit.source, "light": side}, Layout(1), 64).tobytes() for side in ("left", "right")]
    assert lit[0] != lit[1]


def test_a_category_more_leaves_the_others_as_they_are(tmp_path):
    generate_edits(tmp_path / "nine", 2, seed=7, size=32, workers=1, categories=CATEGORIES)
    generate_edits(tmp_path / "all", 2, seed=7, size=32, workers=1)
    nine, everything = (
        pq.read_table(tmp_path / name / "edits-00000.parquet").to_pylist() for name in ("nine", "all")
    )
    assert nine == [row for row in everything if row["category"] in CATEGORIES]
    assert len(everything) == 20


def test_any_size_shows_the_same_picture():
    pair = edit_pair("text", stream(3, "test", "text", 0), 512)
    small = edit_pair("text", stream(3, "test", "text", 0), 128)
    assert pair.source.image.size == (512, 512) and pair.source.caption == small.source.caption
    shrunk = np.asarray(pair.source.image.reduce(4), dtype=float)
    assert np.abs(shrunk - np.asarray(small.source.image, dtype=float)).mean() < 8
