"""Variations of pictures: limits are kept, what must be seen stays in sight, points go where pixels go."""

import importlib.util
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clip_in_training.common.errors import DataError
from clip_in_training.common.robustness import RobustnessRecipe, moved_box, vary
from clip_in_training.scratch.scenes.attributes import sample_attributes
from clip_in_training.scratch.scenes.boxes import kept_boxes, part_boxes
from clip_in_training.scratch.scenes.drawing import draw
from clip_in_training.scratch.scenes.generate import edit_pair, generate_edits
from clip_in_training.scratch.scenes.layout import Layout, Variety
from clip_in_training.scratch.scenes.setting import CATEGORIES, Setting
from clip_in_training.small import typefaces
from clip_in_training.small.pictures.backgrounds import floor

NOTHING = RobustnessRecipe(share=0.0)
SIZE = 96


def only(**limits: float) -> RobustnessRecipe:
    """A recipe that makes one change to every picture; the others are of no effect."""
    still = {
        "blur": 0.0,
        "noise": 0.0,
        "gamma": 1.0,
        "rotation": 0.0,
        "zoom": 0.0,
        "occluder": 0.0,
        "jpeg": 95,
    }
    return RobustnessRecipe(**{**still, "share": 1.0, **limits})


def dot(x: float, y: float, radius: float = 5) -> np.ndarray:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    picture = np.full((SIZE, SIZE, 3), 200, np.uint8)
    picture[np.hypot(columns - x * SIZE, rows - y * SIZE) < radius] = (20, 20, 160)
    return picture


def centre(picture: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(picture[..., 0] < 110)
    return (columns.mean() + 0.5) / SIZE, (rows.mean() + 0.5) / SIZE


def test_without_any_change_pictures_stay_as_they_are():
    pixels = np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    varied, matrices = vary(pixels, NOTHING, np.random.default_rng(1), [[]] * 3)
    assert np.array_equal(varied, pixels)
    assert np.array_equal(matrices, np.tile(np.eye(2, 3), (3, 1, 1)))


def test_the_same_seed_gives_the_same_pictures():
    pixels = np.stack([dot(0.5, 0.5)] * 6)
    results = [
        vary(pixels, RobustnessRecipe(), np.random.default_rng(seed), [[]] * 6)[0] for seed in (1, 1, 2)
    ]
    assert np.array_equal(results[0], results[1]) and not np.array_equal(results[0], results[2])


def test_points_go_where_pixels_go():
    place = (0.3, 0.4)
    box = (place[0] - 0.06, place[1] - 0.06, place[0] + 0.06, place[1] + 0.06)
    pixels = np.stack([dot(*place)] * 60)
    varied, matrices = vary(pixels, only(rotation=10, zoom=0.15), np.random.default_rng(3), [[box]] * 60)
    degrees = []
    for picture, matrix in zip(varied, matrices, strict=True):
        assert np.allclose(matrix @ (*place, 1), centre(picture), atol=1.2 / SIZE)
        scale = np.hypot(*matrix[:, 0])
        assert 0.85 <= scale <= 1.15
        degrees.append(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
    assert max(degrees) <= 10 and min(degrees) >= -10 and max(degrees) > 6 and min(degrees) < -6


def test_what_is_kept_does_not_leave_the_picture():
    box = (0.0, 0.0, 0.14, 0.14)
    pixels = np.stack([dot(0.07, 0.07, 6)] * 80)
    recipe = only(rotation=10, zoom=0.15)
    _, free = vary(pixels, recipe, np.random.default_rng(3), [[]] * 80)
    kept, matrices = vary(pixels, recipe, np.random.default_rng(3), [[box]] * 80)
    assert min(min(moved_box(matrix, box)) for matrix in free) < -0.08
    assert min(min(moved_box(matrix, box)) for matrix in matrices) > -0.06
    assert (matrices[:, 0, 1] != 0).mean() > 0.9
    whole = int((pixels[0][..., 0] < 110).sum())
    assert min(int((picture[..., 0] < 110).sum()) for picture in kept) > 0.6 * whole


def test_an_occluder_hides_nothing_that_is_kept_and_little_of_the_rest():
    keep, other = (0.1, 0.1, 0.5, 0.5), (0.6, 0.6, 0.9, 0.9)
    pixels = np.full((120, SIZE, SIZE, 3), 128, np.uint8)
    recipe = only(occluder=0.06)
    varied, _ = vary(pixels, recipe, np.random.default_rng(5), [[keep]] * 120, [[other]] * 120)
    changed = np.abs(varied.astype(int) - 128).max(-1) > 6

    def part(box):
        left, top, right, bottom = (round(v * SIZE) for v in box)
        return changed[:, top + 1 : bottom - 1, left + 1 : right - 1]

    assert not part(keep).any()
    assert part(other).mean((1, 2)).max() < 0.45
    areas = changed.mean((1, 2))
    assert (areas > 0.005).mean() > 0.8 and areas.max() < 0.1
    full, _ = vary(pixels[:20], recipe, np.random.default_rng(5), [[(0.0, 0.0, 1.0, 1.0)]] * 20)
    assert (np.abs(full.astype(int) - 128) <= 6).all()


def test_each_change_stays_within_its_limit():
    random = np.random.default_rng(1)
    picture = Image.fromarray(random.integers(0, 256, (SIZE // 8, SIZE // 8, 3), dtype=np.uint8)).resize(
        (SIZE, SIZE)
    )
    pixels = np.stack([np.asarray(picture)] * 40)
    grey = np.full((40, SIZE, SIZE, 3), 128, np.uint8)
    empty = [[]] * 40
    base = vary(grey, only(), random, empty)[0].astype(float)
    assert np.abs(base - 128).max() <= 2
    deviations = (vary(grey, only(noise=16), random, empty)[0].astype(float)).std((1, 2, 3))
    assert deviations.max() < 18 and deviations.max() > 10
    levels = vary(grey, only(gamma=1.5), random, empty)[0].mean((1, 2, 3))
    assert levels.min() > 255 * 0.502**1.5 - 3 and levels.max() < 255 * 0.502 ** (1 / 1.5) + 3
    assert levels.max() - levels.min() > 30

    def sharpness(pictures):
        return np.abs(np.diff(pictures.astype(float), axis=2)).mean((1, 2, 3))

    assert sharpness(vary(pixels, only(blur=1.5), random, empty)[0]).min() < 0.9 * sharpness(pixels).min()
    errors = np.abs(vary(pixels, only(jpeg=35), random, empty)[0].astype(float) - pixels).mean((1, 2, 3))
    assert (
        3 * np.abs(vary(pixels, only(), random, empty)[0].astype(float) - pixels).mean() < errors.max() < 25
    )


def test_boxes_hold_the_parts_of_drawn_scenes():
    random = Random(4)
    checked = 0
    for seed in range(120):
        attributes = {**sample_attributes(random), "light": "left"}
        other = {
            "count": {"count": "1" if attributes["count"] != "1" else "2"},
            "extra": {"extra": "none"},
            "code": {"code_1": "none", "code_2": "none", "code_3": "none"},
        }
        from clip_in_training.scratch.scenes.attributes import CODE

        other["code"] = dict.fromkeys(CODE, "none")
        for edited, change in other.items():
            changed = {**attributes, **change}
            if changed == attributes:
                continue
            pictures = [np.asarray(draw(a, Layout(seed), 64), int) for a in (attributes, changed)]
            different = np.abs(pictures[0] - pictures[1]).max(-1) > 60
            boxes = kept_boxes(edited, attributes, Layout(seed)) + kept_boxes(edited, changed, Layout(seed))
            for left, top, right, bottom in boxes:
                different[int(top * 64) : int(bottom * 64) + 2, int(left * 64) : int(right * 64) + 2] = False
            assert different.sum() <= 3, (edited, attributes)
            checked += 1
        sides = part_boxes(attributes, Layout(seed))["object"][0]
        assert 0.2 < (sides[2] - sides[0]) * (sides[3] - sides[1]) ** 0 < 0.9
    assert checked > 150


def test_edits_in_the_wide_language_say_what_must_stay_in_sight(tmp_path):
    setting = Setting(language="wide", variety=Variety(floor=floor))
    compared = 0
    for index in range(120):
        category = CATEGORIES["wide"][index % len(CATEGORIES["wide"])]
        pair = edit_pair(category, np.random.default_rng(index), 64, setting)
        if pair.rejittered or pair.edited in ("surface", "light", "viewpoint"):
            continue
        first, second = (np.asarray(side.image, int) for side in (pair.source, pair.target))
        different = np.abs(first - second).max(-1) > 60
        for left, top, right, bottom in pair.source.keep + pair.target.keep:
            different[int(top * 64) : int(bottom * 64) + 2, int(left * 64) : int(right * 64) + 2] = False
        assert different.sum() <= 6, (category, pair.edited, pair.instruction)
        compared += 1
    assert compared > 30
    generate_edits(tmp_path, 1, seed=1, size=64, workers=1, categories=["color"], setting=setting)
    (row,) = pq.read_table(tmp_path / "edits-00000.parquet").to_pylist()
    assert len(row["source_keep"][0]) == len(row["target_keep"][0]) == 4
    generate_edits(tmp_path, 1, seed=1, size=64, workers=1, categories=["color"])
    assert "source_keep" not in pq.read_schema(tmp_path / "edits-00000.parquet").names


FONTS = all(importlib.util.find_spec(p) for p, _ in (typefaces.FAMILIES | typefaces.HELD_OUT).values())


@pytest.mark.skipif(not FONTS, reason="the typefaces' packages are not installed")
def test_codes_are_printed_in_five_typefaces():
    attributes = _with_code(Random(1))
    plain = draw(attributes, Layout(1), 128)
    assert np.array_equal(plain, draw(attributes, Layout(1, Variety()), 128))
    printed = {
        draw(attributes, Layout(1, Variety(typefaces=(path,))), 128).tobytes()
        for path in typefaces.typefaces()
    }
    assert len(printed | {plain.tobytes()}) == 6
    boxes = part_boxes(attributes, Layout(1))["tag"]
    for path in typefaces.typefaces():
        other = np.asarray(draw(attributes, Layout(1, Variety(typefaces=(path,))), 128), int)
        different = np.abs(other - np.asarray(plain, int)).max(-1) > 20
        left, top, right, bottom = (round(v * 128) for v in boxes[0])
        inside = different[top : bottom + 1, left : right + 1].sum()
        assert inside > 10 and inside == different.sum()
    assert typefaces.typeface("Barlow") not in typefaces.typefaces()


def test_a_typeface_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(typefaces.FAMILIES, "Nothing", ("no_such_package_here", "x.ttf"))
    with pytest.raises(DataError, match="Nothing"):
        typefaces.typeface("Nothing")


def _with_code(random: Random) -> dict[str, str]:
    from clip_in_training.scratch.scenes.attributes import code_of

    while True:
        attributes = sample_attributes(random, "code")
        if len(code_of(attributes)) == 3:
            return attributes


def test_procedural_floors_change_only_what_is_around_the_mat():
    attributes = {**sample_attributes(Random(2)), "viewpoint": "far"}
    plain = np.asarray(draw(attributes, Layout(1), 96), int)
    varied = np.asarray(draw(attributes, Layout(1, Variety(floor=floor)), 96), int)
    different = np.abs(plain - varied).max(-1) > 8
    assert different[:10].mean() > 0.5 and different[30:66, 30:66].mean() < 0.01


def test_variations_take_little_time():
    import time

    pixels = np.stack([dot(0.5, 0.5)] * 64)
    began = time.process_time()
    vary(pixels, RobustnessRecipe(), np.random.default_rng(1), [[(0.4, 0.4, 0.6, 0.6)]] * 64)
    assert (time.process_time() - began) / 64 < 0.1
    assert RobustnessRecipe().share == 0.5
