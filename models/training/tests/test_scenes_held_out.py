"""What `held_out.py` names: never in what is drawn for training, and in what is drawn to evaluate on."""

import json
import re
from random import Random

import pyarrow.parquet as pq
import pytest

from clip_in_training.common.recipe import RecipeError
from clip_in_training.scratch.data.generation import generate
from clip_in_training.scratch.recipe import parse_recipe
from clip_in_training.scratch.scenes import held_out
from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES, ATTRIBUTES, COLORS, FAMILIES, NONE
from clip_in_training.scratch.scenes.coverage import never_changed
from clip_in_training.scratch.scenes.generate import change_pair, edit_pair, stream
from clip_in_training.scratch.scenes.setting import ALL, NARROW, SEEN, WIDE, Setting
from clip_in_training.scratch.scenes.wide import vocabulary
from clip_in_training.scratch.scenes.wide.edits import CHANGES, WIDE_CATEGORIES
from clip_in_training.scratch.scenes.wide.wording import HELD_OUT_FAMILY, HELD_OUT_WORDS

TRAINING = Setting(WIDE, SEEN, japanese=0.05)
UNSEEN_PHRASES = [p.lstrip("-") for t in held_out.SYNONYMS.values() for v in t.values() for p in v]
UNSEEN = re.compile(
    rf"(?<![\w-])({'|'.join(map(re.escape, UNSEEN_PHRASES))}|which|mugs?|cups?|マグカップ)(?![\w-])", re.I
)


def test_the_table_names_things_that_there_are():
    assert held_out.OBJECT in FAMILIES and held_out.SURFACE in ATTRIBUTES["surface"]
    seen = set(FAMILIES) - {held_out.OBJECT}
    assert set(held_out.COLORS) == set(held_out.DEFECTS) == seen
    assert set(held_out.COLORS.values()) == set(COLORS)
    assert set(held_out.DEFECTS.values()) == set(ATTRIBUTES["defect"]) - {NONE}
    for name, table in held_out.SYNONYMS.items():
        assert set(table) <= set(vocabulary.SEEN[name])


def _texts(attributes_and_edit, random):
    attributes, edit = attributes_and_edit
    said = TRAINING.said(attributes, random, edit)
    return [TRAINING.short(attributes, said, random), TRAINING.long(attributes, random)]


@pytest.mark.parametrize("seed", range(6))
def test_training_never_meets_what_is_held_out(seed):
    random = Random(seed)
    texts = []
    for _ in range(40):
        attributes = TRAINING.attributes(random)
        assert held_out.kinds(attributes) == set()
        texts += _texts((attributes, None), random)
        for category in WIDE_CATEGORIES:
            edit = TRAINING.edit(category, random)
            assert held_out.kinds(edit.source) == held_out.kinds(edit.target) == set()
            texts += [
                *_texts((edit.source, edit), random),
                *_texts((edit.target, edit), random),
                edit.instruction,
            ]
    found = [text for text in texts if UNSEEN.search(text)]
    assert not found, found[:3]
    assert len(texts) > 2500 and sum("。" in text or "、" in text for text in texts) > 20


@pytest.mark.parametrize("language", [NARROW, WIDE])
@pytest.mark.parametrize("kind", held_out.KINDS)
def test_evaluation_meets_each_kind_and_one_at_a_time(kind, language):
    setting, random = Setting(language, kind), Random(1)
    for category in ("count", "state", "structure", "color", "position"):
        for _ in range(15):
            edit = setting.edit(category, random)
            assert held_out.kinds(edit.source) | held_out.kinds(edit.target) == {kind}
    assert held_out.kinds(setting.attributes(random)) == {kind}
    pair = edit_pair("count", stream(1, "test", "x", 0), 32, setting)
    assert held_out.kinds(pair.source.attributes) == {kind}


def test_evaluation_meets_the_words_and_the_templates():
    random, scenes = Random(2), [Setting(WIDE, SEEN).attributes(Random(k)) for k in range(300)]
    for style, share in ((HELD_OUT_FAMILY, 0.75), (HELD_OUT_WORDS, 0.99)):
        setting = Setting(WIDE, SEEN, style)
        texts = [setting.short(scene, setting.said(scene, random), random) for scene in scenes]
        assert sum(bool(UNSEEN.search(text)) for text in texts) > share * len(texts)
    named = {phrase for phrase in UNSEEN_PHRASES for text in texts if phrase in text.lower()}
    assert len(named) > 0.75 * len(UNSEEN_PHRASES)


def test_without_the_held_out_things_some_of_them_change_in_no_edit_and_the_rest_does():
    missing = never_changed(WIDE_CATEGORIES, sample=TRAINING.edit)
    assert set(missing) == {"object: mug", "surface: blue", "shape: round handle", "shape: square handle"}
    assert never_changed(WIDE_CATEGORIES, sample=Setting(WIDE, ALL).edit) == []


def test_a_change_can_be_asked_for_by_name():
    for change in CHANGES:
        pair = change_pair(change, stream(1, "test", "change", 0), 32, Setting(WIDE, SEEN))
        assert pair.edited == change[0] and held_out.kinds(pair.target.attributes) == set()
    with pytest.raises(ValueError, match="unknown setting: language 'broad'"):
        Setting("broad")


RECIPE = """
name = "n"
description = "d"
[data]
directory = "{folder}"
image_size = 32
train_pairs_per_category = {pairs}
validation_pairs_per_category = 1
test_pairs_per_category = 1
test_scenes = 3
workers = 1
categories = ["defect", "light", "color", "extra"]
language = "wide"
held_out = true
"""


def test_a_recipe_draws_it(tmp_path, capsys):
    recipe = parse_recipe(RECIPE.format(folder=tmp_path, pairs=12))
    generate(recipe)
    rows = pq.read_table(tmp_path / "train").to_pylist()
    assert len(rows) == 48 and {row["category"] for row in rows} == {"defect", "light", "color", "extra"}
    for row in rows:
        for side in ("source", "target"):
            assert held_out.kinds(json.loads(row[f"{side}_attributes"])) == set()
            assert not UNSEEN.search(row[f"{side}_caption"] + row[f"{side}_caption_long"])
    wide = sum(not row["source_caption"].endswith(".") or row["source_caption"][0].islower() for row in rows)
    assert wide > 15
    scenes = pq.read_table(tmp_path / "test" / "scenes-00000.parquet").to_pylist()
    assert [held_out.kinds(json.loads(row["attributes"])) for row in scenes] == [set()] * 3
    facts = {fact for row in rows for fact in row["said"]}
    assert {"color", "items", "light", "defect", "damage"} <= facts
    generate(recipe)
    assert "already holds" in capsys.readouterr().out


def test_without_categories_a_recipe_has_all_of_its_language():
    text = re.sub("categories = .*\n", "", RECIPE.format(folder="x", pairs=1))
    assert parse_recipe(text).data.categories == WIDE_CATEGORIES
    assert parse_recipe(text.replace('"wide"', '"narrow"')).data.categories == ALL_CATEGORIES


def test_a_folder_that_was_drawn_before_the_setting_existed_is_kept(tmp_path, capsys):
    text = RECIPE.format(folder=tmp_path, pairs=1).replace('language = "wide"\nheld_out = true\n', "")
    text = text.replace('["defect", "light", "color", "extra"]', '["color"]')
    generate(parse_recipe(text))
    done = tmp_path / "drawn.json"
    kept = json.loads(done.read_text())
    for name in ("language", "held_out", "japanese"):
        del kept[name]
    done.write_text(json.dumps(kept))
    generate(parse_recipe(text))
    assert "already holds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('language = "wide"', 'language = "loud"'), "`data.language` must be narrow or wide, not 'loud'"),
        (('language = "wide"', 'language = "narrow"'), "`data.categories` must name some of orientation"),
        (("held_out = true", "japanese = 1.5"), "`data.japanese` must be from 0 to 1"),
    ],
)
def test_a_wrong_setting_is_refused(change, message):
    with pytest.raises(RecipeError, match=re.escape(message)):
        parse_recipe(RECIPE.format(folder="x", pairs=1).replace(*change))
