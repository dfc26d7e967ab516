"""Composed scenes: captions say what is there, edits change one thing, and the same seed gives the same rows."""

import json
import re
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest
from pictures_needed import needs_pictures

pytestmark = needs_pictures

from clip_in_training.scratch.scenes.layout import Layout  # noqa: E402
from clip_in_training.small.pictures import phrases  # noqa: E402
from clip_in_training.small.pictures.compose import draw  # noqa: E402
from clip_in_training.small.pictures.edits import CATEGORIES, sample_edit  # noqa: E402
from clip_in_training.small.pictures.generate import edit_pair, generate_edits, generate_scenes  # noqa: E402
from clip_in_training.small.pictures.nature import told_apart  # noqa: E402
from clip_in_training.small.pictures.scene import MEDIUM, MOST, Scene, Things  # noqa: E402
from clip_in_training.small.pictures.wording import choose_said, long_caption, sample_wording, short_caption  # noqa: E402


def edits(category: str, count: int, which: str = "seen"):
    return [sample_edit(category, Random(f"{category}/{seed}"), which) for seed in range(count)]


def differences(first: Things, second: Things) -> set[str]:
    names = ("noun", "count", "colour", "size", "damage", "turn")
    return {name for name in names if getattr(first, name) != getattr(second, name)}


EXPECTED = {"count": "count", "color": "colour", "size": "size", "damage": "damage", "turn": "turn"}


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_edit_changes_what_its_category_says_and_nothing_else(category):
    for edit in edits(category, 150):
        source, target = edit.source, edit.target
        for scene in (source, target):
            assert 1 <= sum(t.count for t in scene.things) <= MOST
            for k, things in enumerate(scene.things):
                assert all(told_apart(things.noun, other.noun) for other in scene.things[k + 1 :])
        if category == "background":
            assert source.background != target.background and source.things == target.things
            continue
        assert source.background == target.background
        if category == "presence":
            more, fewer = sorted((source, target), key=lambda s: -len(s.things))
            assert len(more.things) == 2 and fewer.things[0] in more.things
        elif category == "place":
            assert source.things == target.things
            assert (source.arrangement, source.place) != (target.arrangement, target.place)
        elif category == "swap":
            changes = [differences(a, b) for a, b in zip(source.things, target.things, strict=True)]
            if "noun" in changes[0]:
                assert source.things == target.things[::-1]
            else:
                assert changes[0] == changes[1] and len(changes[0]) == 1
        else:
            (changed,) = edit.changed()[0]
            assert edit.changed()[1] == (changed,)
            what = differences(source.things[changed], target.things[changed])
            if category == "thing":
                assert "noun" in what and what <= {"noun", "colour"}
                assert told_apart(source.things[changed].noun, target.things[changed].noun)
            else:
                assert what == {EXPECTED[category]}


def test_every_value_is_exchanged_for_another_and_for_nothing():
    from clip_in_training.small.pictures import backgrounds, colours, damage, nature
    from clip_in_training.small.pictures.scene import PLACES

    def values(category: str, of):
        return {of(side) for e in edits(category, 400) for side in (e.source, e.target)}

    def changed(name: str):
        return lambda edit: (
            getattr(edit.source.things[edit.changed()[0][0]], name),
            getattr(edit.target.things[edit.changed()[1][0]], name),
        )

    pairs = {frozenset(changed("damage")(e)) for e in edits("damage", 600)}
    kinds = (damage.NONE, *damage.KINDS)
    assert pairs == {frozenset((a, b)) for a in kinds for b in kinds if a != b}
    turns = {frozenset(changed("turn")(e)) for e in edits("turn", 600)}
    assert turns == {frozenset((a, b)) for a in nature.TURNS for b in nature.TURNS if a != b}
    assert {c for e in edits("color", 400) for c in changed("colour")(e)} == set(colours.COLOURS)
    assert values("background", lambda s: s.background) == set(backgrounds.KINDS)
    assert values("place", lambda s: s.place) == {*PLACES, ""}
    assert {c for e in edits("count", 300) for c in changed("count")(e)} == {1, 2, 3, 4, 5}
    near = [
        e
        for e in edits("thing", 300)
        if len({s.things[e.changed()[0][0]].noun.group for s in (e.source, e.target)}) == 1
    ]
    assert len(near) > 80
    swapped = {
        next(iter(differences(*(s.things[0] for s in (e.source, e.target))))) for e in edits("swap", 200)
    }
    assert swapped >= {"count", "colour", "size", "damage"}


def said_of_other_values(scene: Scene, caption: str) -> list[str]:
    """Colours, places, backgrounds, numbers, damage and turns in a caption that the scene does not have."""
    text = f" {re.sub(r'[^a-z0-9 ]', ' ', caption.lower())} "
    for things in scene.things:
        for form in sorted((things.noun.one.lower(), things.noun.many.lower()), key=len, reverse=True):
            text = text.replace(f" {re.sub(r'[^a-z0-9 ]', ' ', form)} ", " THING ")
    found = []

    def look(table: dict, mine: set) -> None:
        for value, options in table.items():
            if value in mine:
                continue
            others = {phrase for key in mine for phrase in table.get(key, ())}
            for phrase in options:
                bare = phrase.removeprefix("-")
                if phrase not in others and f" {bare} " in text:
                    found.append(bare)

    look(phrases.BACKGROUNDS, {scene.background})
    look(phrases.DAMAGE, {t.damage for t in scene.things})
    look(phrases.TURNS, {t.turn for t in scene.things})
    from clip_in_training.small.pictures.colours import COLOURS

    look({c: phrases.COLOURS.get(c, (c,)) for c in COLOURS}, {t.colour for t in scene.things})
    total = sum(t.count for t in scene.things)
    look(
        {n: (*words, str(n)) for n, words in phrases.NUMBERS.items()},
        {t.count for t in scene.things} | {total},
    )
    if scene.place:
        look(phrases.PLACES, {scene.place})
    look(phrases.SIZES, {t.size for t in scene.things} - {MEDIUM})
    return found


@pytest.mark.parametrize("category", CATEGORIES)
def test_captions_never_say_what_is_not_there(category):
    for number, edit in enumerate(edits(category, 120)):
        random = Random(number)
        said = choose_said(edit.source, random, edit)
        wording = sample_wording(random)
        for scene in (edit.source, edit.target):
            for caption in (short_caption(scene, said, wording), long_caption(scene, number, edit.facts)):
                assert not said_of_other_values(scene, caption), caption
                assert "  " not in caption and "{" not in caption


@pytest.mark.parametrize("category", CATEGORIES)
def test_both_sides_of_an_edit_have_different_captions(category):
    for number, edit in enumerate(edits(category, 150)):
        random = Random(number)
        said, wording = choose_said(edit.source, random, edit), sample_wording(random)
        texts = [short_caption(scene, said, wording) for scene in (edit.source, edit.target)]
        assert texts[0] != texts[1], texts
        longs = [long_caption(scene, number, edit.facts) for scene in (edit.source, edit.target)]
        assert longs[0] != longs[1], longs


def test_short_captions_of_a_shared_wording_differ_in_the_edit_only():
    for number, edit in enumerate(edits("color", 60)):
        random = Random(number)
        said, wording = choose_said(edit.source, random, edit), sample_wording(random)
        first, second = (short_caption(s, said, wording).split() for s in (edit.source, edit.target))
        assert len(first) == len(second)
        assert (
            sum(a.lower().strip(".,") != b.lower().strip(".,") for a, b in zip(first, second, strict=True))
            <= 2
        )


@pytest.mark.parametrize("category", CATEGORIES)
def test_pictures_differ_where_the_edit_is(category):
    compared = 0
    for index in range(40):
        pair = edit_pair(category, np.random.default_rng(index), 96)
        if pair.rejittered:
            continue
        compared += 1
        first, second = (np.asarray(side.image, int) for side in (pair.source, pair.target))
        assert first.shape == (96, 96, 3)
        different = np.abs(first - second).max(-1) > 24
        assert different.sum() >= 20, (category, index, pair.source.caption, pair.target.caption)
        if category in ("color", "damage", "turn", "size", "thing"):
            outside = different.copy()
            for box in pair.source.keep + pair.target.keep:
                left, top, right, bottom = (round(v * 96) for v in box)
                outside[max(0, top - 5) : bottom + 9, max(0, left - 5) : right + 9] = False
            assert outside.mean() < 0.005, (category, index)
    assert compared >= 10


def test_boxes_hold_the_things():
    from clip_in_training.small.pictures.nature import pool
    from clip_in_training.small.pictures.scene import sample_scene

    for seed in range(40):
        scene = sample_scene(pool(), Random(seed))
        drawn = draw(scene, Layout(seed), 96)
        assert [len(boxes) for boxes in drawn.boxes] == [t.count for t in scene.things]
        for boxes in drawn.boxes:
            for left, top, right, bottom in boxes:
                assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def test_the_same_seed_gives_the_same_rows_and_splits_differ(tmp_path):
    for name, split, workers in (("a", "train", 1), ("b", "train", 1), ("c", "test", 1)):
        generate_edits(tmp_path / name, 2, seed=3, size=64, workers=workers, split=split)
        generate_scenes(tmp_path / name, 5, seed=3, size=64, workers=workers, split=split)
    tables = {n: pq.read_table(tmp_path / n / "edits-00000.parquet") for n in "abc"}
    assert tables["a"].equals(tables["b"]) and not tables["a"].equals(tables["c"])
    assert tables["a"].num_rows == 2 * len(CATEGORIES)
    row = tables["a"].to_pylist()[0]
    assert json.loads(row["source_attributes"])["things"][0]["emoji"]
    scenes = pq.read_table(tmp_path / "a" / "scenes-00000.parquet").to_pylist()
    assert len(scenes) == 5 and scenes[0]["keep"]


def test_held_out_things_are_in_no_training_scene_and_in_every_held_out_one():
    for which, kept in (("seen", False), ("held out", True)):
        for category in CATEGORIES:
            for edit in edits(category, 25, which):
                for scene in (edit.source, edit.target):
                    assert all(t.noun.picture.held_out == kept for t in scene.things)


def test_the_readers_of_the_drawn_scenes_read_them(tmp_path):
    from clip_in_training.scratch.data.examples import load_edits
    from clip_in_training.scratch.losses.attributes import UNKNOWN

    generate_edits(tmp_path, 1, seed=1, size=64, workers=1)
    examples = load_edits(tmp_path, 64, {"count": ["1", "2"]})
    assert examples.pixels.shape == (len(CATEGORIES), 2, 64, 64, 3)
    assert (examples.labels == UNKNOWN).all() and np.isnan(examples.places).all()
    assert set(examples.category) == set(CATEGORIES)
