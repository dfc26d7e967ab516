"""Named pictures: names in several languages, colours, damage, and what is kept for evaluation."""

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
from pictures_needed import needs_pictures
from PIL import Image

from clip_in_training.common.errors import DataError
from clip_in_training.small import fetch, pinned
from clip_in_training.small.pictures import damage, held_out
from clip_in_training.small.pictures.backgrounds import KINDS as BACKGROUNDS
from clip_in_training.small.pictures.backgrounds import background
from clip_in_training.small.pictures.colours import COLOURS, Tint, hsv, hue_name, recoloured, tint


def disc(colour: tuple[int, int, int], size: int = 64) -> Image.Image:
    y, x = np.mgrid[0:size, 0:size] - size / 2 + 0.5
    picture = np.zeros((size, size, 4), np.uint8)
    picture[np.hypot(x, y) < size * 0.45] = (*colour, 255)
    return Image.fromarray(picture)


def test_hsv_is_the_same_as_in_the_standard_library():
    import colorsys

    colours = np.random.default_rng(1).integers(0, 256, (200, 3))
    hue, saturation, value = hsv(colours)
    expected = np.array([colorsys.rgb_to_hsv(*(c / 255)) for c in colours])
    assert np.allclose(np.stack([hue / 360, saturation, value], -1), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((220, 30, 30), "red"), ((240, 140, 30), "orange"), ((250, 215, 40), "yellow"), ((40, 170, 60), "green"),
        ((30, 190, 180), "turquoise"), ((40, 110, 220), "blue"), ((130, 50, 200), "purple"), ((240, 60, 160), "pink"),
        ((128, 128, 128), None), ((120, 72, 30), None), ((235, 220, 200), None), ((30, 10, 10), None),
    ],
)  # fmt: skip
def test_colours_have_the_names_that_people_use(colour, name):
    assert tint(disc(colour)).name == name


def test_a_picture_of_many_colours_has_no_colour():
    picture = np.asarray(disc((220, 30, 30))).copy()
    picture[:32, :, :3] = (40, 110, 220)
    assert tint(Image.fromarray(picture)).name is None


def test_recolouring_gives_the_colour_and_keeps_outline_and_grey():
    picture = np.asarray(disc((220, 30, 30))).copy()
    picture[28:36, 28:36, :3] = 90
    picture = Image.fromarray(picture)
    for colour in COLOURS:
        turned = recoloured(picture, tint(picture), colour)
        assert tint(turned).name == colour
        assert np.array_equal(np.asarray(turned)[..., 3], np.asarray(picture)[..., 3])
        grey = np.asarray(turned)[30, 30, :3].astype(int)
        assert np.ptp(grey) <= 2 and abs(grey.mean() - 90) < 25
    assert recoloured(picture, Tint(0.0, "red", 1.0), "red").size == picture.size


def test_hues_between_two_colours_have_no_name():
    assert hue_name(0) == hue_name(355) == "red"
    assert hue_name(72) is None
    assert len({hue_name(h) for h in range(360)} - {None}) == len(COLOURS)


@pytest.mark.parametrize("kind", damage.KINDS)
def test_damage_is_seen_and_stays_within_the_outline(kind):
    whole = disc((220, 180, 60), 96)
    for seed in range(20):
        broken = damage.damaged(whole, kind, Random(seed))
        before, after = (np.asarray(p.convert("RGBa"), int) for p in (whole, broken))
        changed = np.abs(before - after).max(-1) > 60
        assert 0.02 < changed[before[..., 3] > 0].mean() < 0.5
        assert (after[..., 3] <= before[..., 3]).all()
        assert np.array_equal(np.asarray(damage.damaged(whole, kind, Random(seed))), np.asarray(broken))


def test_backgrounds_are_reproducible_and_look_different():
    for kind in BACKGROUNDS:
        first, again, other = (background(kind, 96, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert first.shape == (96, 96, 3)
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_a_missing_or_changed_file_is_named(tmp_path: Path, monkeypatch):
    path = tmp_path / "a" / "b.txt"
    path.parent.mkdir()
    sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    monkeypatch.setitem(pinned.FILES, "x", pinned.PinnedFile("some-package", "a/b.txt", sha256, "MIT"))
    with pytest.raises(DataError, match=r"a/b\.txt .* some-package"):
        pinned.pinned_file("x", tmp_path)
    path.write_text("hallo")
    with pytest.raises(DataError):
        pinned.pinned_file("x", tmp_path)
    path.write_text("hello")
    assert pinned.pinned_file("x", tmp_path) == path


def test_fetching_says_what_is_missing_and_keeps_what_is_there(tmp_path: Path, monkeypatch):
    sha256 = hashlib.sha256(b"hello").hexdigest()
    monkeypatch.setattr(pinned, "FILES", {"x": pinned.PinnedFile("some-package", "a/b.txt", sha256, "MIT")})
    monkeypatch.setattr(fetch.shutil, "which", lambda program: None)
    with pytest.raises(DataError, match=r"apt-get .* some-package: put a/b\.txt"):
        fetch.fetch(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("hello")
    assert fetch.fetch(tmp_path) == []


@pytest.mark.parametrize(("inside", "fits"), [("hello", True), ("hallo", False)])
def test_a_fetched_file_is_checked(tmp_path: Path, monkeypatch, inside, fits):
    """A stand-in for apt-get puts a package there; dpkg-deb is a stand-in too, since no network is to be used."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "apt-get").write_text("#!/bin/sh\ntouch some-package_1_all.deb\n")
    (programs / "dpkg-deb").write_text(f'#!/bin/sh\nmkdir -p "$3/a" && printf {inside} > "$3/a/b.txt"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    sha256 = hashlib.sha256(b"hello").hexdigest()
    monkeypatch.setattr(pinned, "FILES", {"x": pinned.PinnedFile("some-package", "a/b.txt", sha256, "MIT")})
    if fits:
        assert fetch.fetch(tmp_path / "out") == [tmp_path / "out" / "a" / "b.txt"]
    else:
        with pytest.raises(DataError, match=r"some-package has another b\.txt"):
            fetch.fetch(tmp_path / "out")


@needs_pictures
def test_every_picture_has_names_in_every_language():
    from clip_in_training.small.emoji_names import LANGUAGES
    from clip_in_training.small.pictures.named import named_pictures

    pictures = named_pictures()
    assert len(pictures) > 1800
    assert len({p.characters for p in pictures}) == len({p.name for p in pictures}) == len(pictures)
    for picture in pictures:
        for language in LANGUAGES:
            assert picture.names(language), (picture.name, language)
    by_name = {p.name: p for p in pictures}
    assert "ネコの顔" in by_name["cat face"].names("ja")
    assert by_name["motorcycle"].names("de") == ("motorrad",)
    assert "coffee" in by_name["hot beverage"].names()
    assert len(by_name["thumbs up"].variants) == 5 and not by_name["cat face"].variants
    with pytest.raises(ValueError, match="xx"):
        by_name["cat face"].names("xx")


@needs_pictures
def test_pictures_are_centred_and_differ():
    from clip_in_training.small.pictures.nouns import nouns

    seen = set()
    for noun in nouns()[::7]:
        picture = noun.picture.picture(64)
        assert picture.mode == "RGBA" and picture.size == (64, 64)
        left, top, right, bottom = picture.getchannel("A").point(lambda a: 255 * (a > 40)).getbbox()
        assert abs((left + right) / 2 - 32) <= 3 and abs((top + bottom) / 2 - 32) <= 3
        assert max(right - left, bottom - top) >= 30, noun.one
        seen.add(picture.tobytes())
    assert len(seen) == len(nouns()[::7])
    hand = next(p for p in _all() if p.name == "thumbs up")
    assert len({hand.picture(64, k).tobytes() for k in (None, 0, 1, 2, 3, 4)}) == 6


def _all():
    from clip_in_training.small.pictures.named import named_pictures

    return named_pictures()


@needs_pictures
def test_what_is_held_out_exists_and_is_in_no_training_pool():
    from clip_in_training.small.pictures.nature import pool

    pictures = _all()
    assert {p.name for p in pictures} >= held_out.NAMES
    assert {p.subgroup for p in pictures} >= held_out.SUBGROUPS
    seen, kept = pool("seen").things, pool("held out").things
    assert len(kept) > 80 and len(seen) > 600
    assert not {n.picture.subgroup for n in seen} & held_out.SUBGROUPS
    assert not {n.picture.name for n in seen} & held_out.NAMES
    assert set(pool("all").things) == set(seen) | set(kept)
    with pytest.raises(ValueError, match="known: seen"):
        pool("other")


@needs_pictures
def test_nouns_are_singular_and_plural():
    from clip_in_training.small.pictures.nature import by_name

    for one, many in {
        "cup of coffee": "cups of coffee", "mouse": "mice", "pair of scissors": "pairs of scissors", "bus": "buses",
        "strawberry": "strawberries", "kitchen knife": "kitchen knives", "slice of pizza": "slices of pizza",
        "key": "keys",
        "grinning face with smiling eyes": "grinning faces with smiling eyes",
    }.items():  # fmt: skip
        assert by_name()[one].many == many


@needs_pictures
def test_things_that_can_be_recoloured_get_the_colour_that_is_said():
    from clip_in_training.small.pictures.nature import colours, own_tint
    from clip_in_training.small.pictures.nouns import nouns

    asked = wrong = 0
    for noun in nouns()[::2]:
        for colour in colours(noun):
            turned = tint(recoloured(noun.picture.picture(48), own_tint(noun), colour)).name
            asked, wrong = asked + 1, wrong + (turned != colour)
    assert asked > 300 and wrong <= 0.02 * asked
