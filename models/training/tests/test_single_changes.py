"""Parts beside their golden sample: every statement is another change, and the picture shows the true one."""

import io
import json
from collections import Counter
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clip_in_training.cli import main
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CATEGORIES, EDITED, NOT_APPLICABLE
from clip_in_training.scratch.scenes.setting import Setting
from clip_in_training.scratch.scenes.single_changes import ALL, NINE, NOTHING, question, single_changes

CATEGORY = {name: category for category in CATEGORIES for name in EDITED[category]}


def test_all_single_changes_are_there_once():
    random = Random(4)
    for _ in range(40):
        asked = question(ALL, random, Setting())
        source = asked.source
        targets = [tuple(change.target.items()) for change in asked.changes]
        assert len(set(targets)) == len(targets)
        for name in ("color", "item_color", "count", "position", "surface", "viewpoint", "light", "defect"):
            others = {change.target[name] for change in asked.changes if change.edited == name}
            assert others == set(ATTRIBUTES[name]) - {source[name], NOT_APPLICABLE}
        assert asked.changes[-1].edited == NOTHING and asked.changes[-1].target == source
        assert 50 <= len(asked.changes) <= 62
        for change in asked.changes[:-1]:
            differing = {name for name in source if source[name] != change.target[name]}
            assert differing and all(name == change.edited or name.startswith("code") for name in differing)


@pytest.mark.parametrize("language", ["narrow", "wide"])
def test_a_statement_differs_from_what_is_true_of_the_golden_sample(language):
    random, same, count = Random(5), 0, 0
    for _ in range(30):
        asked = question(NINE, random, Setting(language))
        assert len(asked.changes) == len(asked.statements) == len(CATEGORIES)
        assert len({CATEGORY.get(change.edited, "light") for change in asked.changes}) >= 6
        for short, long in zip(asked.statements, asked.long, strict=True):
            same += short.text == short.reference_text
            count += 1
            assert long.text != long.reference_text
    # "damaged" is true of a scratch and of a crack: the wide language may say no more.
    assert same <= (0 if language == "narrow" else count // 20)


def test_with_all_statements_every_attribute_is_asked_for():
    asked = Counter()
    random = Random(6)
    for _ in range(300):
        found = question(ALL, random, Setting())
        asked[found.changes[found.true].edited] += 1
    assert {"count", "defect", "extra", "light", "tag", "code", NOTHING} <= set(asked)
    assert min(asked.values()) >= 5


def test_other_statements_are_refused():
    with pytest.raises(ValueError, match="nine or all"):
        question("some", Random(1), Setting())


def test_a_code_and_a_tag_change_too():
    edited = {
        change.edited for change in single_changes(question(ALL, Random(7), Setting()).source, Random(7))
    }
    assert {"code", "tag"} <= edited


def picture(row: dict, name: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row[name]["bytes"])).convert("RGB")).astype(int)


def test_pictures_differ_where_the_boxes_are(tmp_path):
    """In the same layout nothing but the change differs, apart from its shadow."""
    arguments = ["changes", "--out", str(tmp_path / "same"), "--count", "40", "--size", "96", "--seed", "3"]
    assert main(arguments) == 0
    arguments[2] = str(tmp_path / "anew")
    assert main([*arguments, "--rejittered"]) == 0
    same, anew = (pq.read_table(tmp_path / name).to_pylist() for name in ("same", "anew"))
    inside = []
    for row, other in zip(same, anew, strict=True):
        for column in ("statements", "statements_long", "true_statement", "category"):
            assert row[column] == other[column]
        said = json.loads(row["statements"])
        assert 0 <= row["true_statement"] < len(said) == 9
        before, after, again = (picture(row, f"{name}_image") for name in ("source", "edited", "unchanged"))
        difference = np.abs(before - after).sum(-1)
        assert difference.max() > 20, row["category"]
        assert (before != again).mean() > 0.5
        if row["boxes"] and row["category"] != "position":
            y, x = np.unravel_index(difference.argmax(), difference.shape)
            at = (x + 0.5) / 96, (y + 0.5) / 96
            inside.append(any(a <= at[0] <= c and b <= at[1] <= d for a, b, c, d in row["boxes"]))
    assert len(inside) > 15
    assert np.mean(inside) > 0.9
