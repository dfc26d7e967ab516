"""The measured section of the card: numbers against ones worked out by hand, and the whole on the shipped bundle."""

import json
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest

from clip_in_training.cli import main
from clip_in_training.export.evaluate.drawn import shifts
from clip_in_training.export.evaluate.drawn.absolute import Answers, classify
from clip_in_training.export.evaluate.drawn.card import BEGIN, END, put_into_card
from clip_in_training.export.evaluate.drawn.interval import percent, wilson
from clip_in_training.export.evaluate.drawn.pairs import draw_pairs, encode_pairs, measure_pairs
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums
from clip_in_training.scratch.model.bundle import read_manifest
from clip_in_training.scratch.recipe import kept_recipe
from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES, CATEGORIES
from clip_in_training.scratch.scenes.generate import single_scene, stream
from clip_in_training.scratch.tokenizer.encode import load_tokenizer

DEMO = Path(__file__).resolve().parents[2] / "demo"


@pytest.fixture(scope="module")
def graphs():
    tokenize = load_tokenizer(DEMO / "tokenizer.json", 128)
    return Graphs(DEMO / "image.onnx", DEMO / "text.onnx", tokenize, threads=1)


def test_wilsons_interval():
    # Worked out from the formula with z = 1.96 elsewhere: 9 of 10, 0 of 10, 10 of 10.
    assert wilson(9, 10) == pytest.approx((59.6, 98.2), abs=0.05)
    assert wilson(0, 10) == pytest.approx((0.0, 27.8), abs=0.05)
    assert wilson(10, 10) == pytest.approx((72.2, 100.0), abs=0.05)
    assert wilson(500, 1000) == pytest.approx((46.9, 53.1), abs=0.05)
    assert percent(9, 10) == "90.0 (59.6–98.2)" and percent(0, 0) == "–"


class Fixed:
    """Encodes texts as it is told."""

    def __init__(self, texts):
        self.texts = np.array(texts, dtype=float)

    def encode_texts(self, texts):
        assert len(texts) == len(self.texts)
        return self.texts


def test_each_direction_counts_its_own_comparisons():
    pairs = draw_pairs("presence", 3, 3, 16)
    images = np.array([[[1, 0], [0, 1]], [[1, 0], [0.8, 0.6]], [[1, 0], [1, 0]]], dtype=float)
    texts = [[1, 0], [0, 1], [0.8, 0.6], [0, 1], [1, 0], [0, 1]]
    # Second pair: cosines .8 and 0 of the first image, 1 and .6 of the other. Each image prefers the first text, so
    # one notices; the texts prefer the other image. The third pair is a tie.
    found = measure_pairs(Fixed(texts), pairs, [3] * 3, images, [("a", "b")] * 3)
    assert found.text_to_image.tolist() == [True, False, False]
    assert found.image_to_text.tolist() == [True, False, False]
    assert found.noticed.tolist() == [2, 1, 1] and found.both.tolist() == [True, False, False]
    # One direction right, the other not: texts prefer their images, one image prefers the other's text.
    lopsided = np.array([[[1.0, 0.0], [0.5, 0.1]]])
    found = measure_pairs(Fixed([[0.9, 0.0], [0.3, 9.0]]), pairs[:1], [3], lopsided, [("a", "b")])
    assert (found.text_to_image.tolist(), found.image_to_text.tolist()) == ([True], [True])
    found = measure_pairs(Fixed([[0.9, 0.0], [0.3, 2.0]]), pairs[:1], [3], lopsided, [("a", "b")])
    assert (found.text_to_image.tolist(), found.image_to_text.tolist()) == ([True], [False])
    assert set(found.changed) == {"extra, none <-> x"}


def test_false_alarms_are_shares_of_scenes_with_nothing():
    answers = Answers(
        chosen=["crack", "none", "dent", "none", "stain", "none"],
        true=["crack", "crack", "crack", "none", "none", "none"],
        chance=17.0,
    )
    assert answers.alarms() == (2, 3, 1, 3) and answers.right == 3


def test_other_words_say_the_same():
    text = 'A square-headed red bolt labelled "ONE 2" with two prongs and a single small nut.'
    assert shifts.digits(text, Random(0)) == text.replace("a single", "1")
    assert (
        shifts.digits("Three nuts near a plug with three prongs.", Random(0))
        == "3 nuts near a plug with three prongs."
    )
    assert (
        shifts.keywords('Two red nuts to the right of a bolt marked "AN1".', Random(0))
        == 'two red nuts right bolt marked "AN1"'
    )
    for seed in range(30):
        changed = shifts.typo(text, Random(seed))
        assert changed != text and sorted(changed) == sorted(text) and '"ONE 2"' in changed
        assert sum(a != b for a, b in zip(changed, text, strict=True)) == 2
    image = single_scene(stream(1, "test", "scene", 0), 64).image
    for worsen in shifts.IMAGES.values():
        difference = np.asarray(worsen(image, Random(1)), dtype=float) - np.asarray(
            image.convert("RGB"), dtype=float
        )
        assert 2 < difference.std() < 20 and abs(difference.mean()) < 2


def test_the_shipped_model_in_both_senses(graphs):
    pairs = [pair for name in ("presence", "state") for pair in draw_pairs(name, 7, 12, 128)]
    images = encode_pairs(graphs, pairs)
    right = measure_pairs(
        graphs, pairs, [7] * 24, images, [(p.source.caption, p.target.caption) for p in pairs]
    )
    crossed = measure_pairs(
        graphs, pairs, [7] * 24, images, [(p.target.caption, p.source.caption) for p in pairs]
    )
    assert right.both.mean() > 0.8 and crossed.both.mean() < 0.1
    assert right.noticed.sum() + crossed.noticed.sum() == 48  # No ties.


def test_one_scene_alone_is_asked_for_every_attribute(graphs):
    scenes = [single_scene(stream(7, "test", "scene", index), 128) for index in range(25)]
    found = classify(graphs, scenes)
    assert found["object"].right >= 20 and len(found["object"].true) == 25
    assert found["object"].chance == pytest.approx(100 / 12)
    directional = sum(scene.attributes["orientation"] != "n/a" for scene in scenes)
    assert len(found["orientation"].true) == directional < 25
    assert found["light"].chance == 50 and "code_0" not in found


def test_the_command_puts_its_tables_into_the_card(tmp_path, capsys):
    bundle = tmp_path / "demo"
    shutil.copytree(DEMO, bundle)
    manifest = read_manifest(bundle)
    assert kept_recipe(manifest).data.categories == ALL_CATEGORIES
    assert "`light: x ↔ y`" not in (bundle / "model-card.md").read_text(encoding="utf-8")
    # A model that was trained on edits of the nine categories alone.
    text = manifest["provenance"]["recipe_text"]
    manifest["provenance"]["recipe_text"] = text.replace(
        "[data]\n", f"[data]\ncategories = {json.dumps(CATEGORIES)}\n"
    )
    (bundle / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    before = (bundle / "model-card.md").read_text(encoding="utf-8")
    assert main(["card", "--bundle", str(bundle), "--pairs", "2", "--scenes", "2", "--write"]) == 0
    printed = capsys.readouterr().out
    card = (bundle / "model-card.md").read_text(encoding="utf-8")
    section = card.split(BEGIN)[1].split(END)[0].strip()
    assert section in printed and "| light, x ↔ y |" in section
    assert "`light: x ↔ y`" in section and "`surface: wood`" in section
    assert "seeds 101, 102, 103, 104, 105, 10 pairs a category" in section
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    assert manifest["files"] == checksums(bundle)
    # Another measurement replaces the section and touches nothing else.
    put_into_card(bundle, "other tables")
    again = (bundle / "model-card.md").read_text(encoding="utf-8")
    assert again.count(BEGIN) == 1 and "other tables" in again and "| light, x ↔ y |" not in again
    first_part = before.split(BEGIN)[0].rstrip()
    assert again.startswith(first_part)
    # A card without a section gets one.
    (bundle / "model-card.md").write_text("# A model\n", encoding="utf-8")
    put_into_card(bundle, "tables")
    assert (bundle / "model-card.md").read_text(encoding="utf-8").count(END) == 1


def test_what_cannot_be_measured_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["card", "--bundle", str(DEMO), "--pairs", "0"])
    assert "--pairs: must be a whole number of at least 1, not '0'" in capsys.readouterr().err
