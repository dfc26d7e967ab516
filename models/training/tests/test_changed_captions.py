"""Captions that say another value: which they are, and that training with them can be told from training without."""

import json
from random import Random

import numpy as np
import pytest

from clip_in_training.scratch.data.changed_captions import attributes_of, captions_of_a_value, questions
from clip_in_training.scratch.data.examples import label_row
from clip_in_training.scratch.data.shards import DataError
from clip_in_training.scratch.recipe import RecipeError, parse_recipe
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, sample_attributes


def test_labels_name_the_whole_scene():
    for seed in range(50):
        scene = sample_attributes(Random(seed))
        labels = np.array(label_row(json.dumps(scene), ATTRIBUTES))
        assert attributes_of(labels, ATTRIBUTES) == scene


def test_a_scene_without_a_label_is_refused():
    labels = np.full(len(ATTRIBUTES), -100)
    with pytest.raises(DataError, match="object"):
        attributes_of(labels, ATTRIBUTES)


def test_the_captions_differ_in_one_value_and_the_true_one_is_first():
    for seed in range(200):
        scene = sample_attributes(Random(seed))
        texts = captions_of_a_value(scene, 5, Random(seed))
        assert 2 <= len(texts) <= 6
        assert len(set(texts)) == len(texts), "two captions of different values read the same"


def test_a_part_without_defect_is_asked_beside_every_defect():
    scene = {**sample_attributes(Random(3)), "defect": "none"}
    asked = [captions_of_a_value(scene, 5, Random(seed)) for seed in range(200)]
    about = [texts for texts in asked if "dent" in " ".join(texts[1:]) and "crack" in " ".join(texts[1:])]
    assert about, "no question about the defect in 200"
    for texts in about:
        assert len(texts) == 6
        assert not any(word in texts[0] for word in ("dent", "crack", "scratch", "stain", "rust"))


def test_a_batch_is_the_same_for_the_same_random_numbers():
    rows = [np.array(label_row(json.dumps(sample_attributes(Random(n))), ATTRIBUTES)) for n in range(4)]
    first, again = (questions(rows, ATTRIBUTES, 3, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert all(len(texts) <= 4 for texts in first)


@pytest.mark.parametrize("wrong", ['language = "wide"', None])
def test_a_recipe_that_cannot_ask_is_refused(wrong):
    captions = "" if wrong else "changed_captions = 0\n"
    text = f'name = "x"\ndescription = "y"\n[data]\n{wrong or ""}\n[stage_b]\n{captions}'
    with pytest.raises(RecipeError, match="changed_captions"):
        parse_recipe(f"{text}[stage_b.losses]\nchanged_captions = 0.5\n")


def test_the_wide_language_says_the_same_scene_in_other_words():
    scene = sample_attributes(Random(5))
    narrow, wide = (
        {captions_of_a_value(scene, 3, Random(seed), share)[0] for seed in range(100)} for share in (0.0, 1.0)
    )
    assert len(wide - narrow) > 80
    assert any(text.islower() for text in wide), "no keywords without a capital"
