"""Batches: the same on any number of processes and workers; handling of broken records."""

import dataclasses
import json
from itertools import chain

import pytest
import torch
from PIL import Image
from reader_data import (
    Rules,
    encoded,
    preprocess,
    recipe,
    source,
    write_edits,
    write_folder,
    write_tar,
)

from clip_in_training.common.errors import DataError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.readers.batches import Batches
from clip_in_training.finetune.readers.sources import open_sources

FIELDS = ("pixels", "has_short", "has_long")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Two sources of edits, two of single images; some records of each kind are broken."""
    base = tmp_path_factory.mktemp("data")

    def spoil(row):
        if row["source_caption"] in ("thing 3 before", "thing 17 before", "thing 75 before"):
            return row | {"edited_image": {"bytes": b"no image", "path": None}}
        return row

    write_edits(base / "one.parquet", range(60), change=spoil)
    write_edits(base / "two.parquet", range(60, 100), change=spoil)
    write_folder(base / "folder", range(200, 240))
    (base / "folder/0203.png").write_bytes(b"no image")
    write_tar(base / "0.tar", range(300, 320))
    return [
        source("ultraedit", base / "one.parquet"),
        source("ultraedit", base / "two.parquet", weight=0.5),
        source("folder", base / "folder"),
        source("webdataset", base / "0.tar"),
    ]


def make(sources, *arguments, rank=0, world=1, run=None, rules=None, **options):
    return Batches(
        recipe(**options), open_sources(sources), preprocess, rules or Rules(), rank, world, run, *arguments
    )


def same(one, other):
    """Compares the content of two batches."""
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if not (torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b):
            return False
    return True


def test_a_batch_is_laid_out_as_documented(sources):
    batches = make(sources, pairs=6, singles=4)
    rules = batches.text_rules
    for step in range(8):
        batch = batches.batch(step)
        assert batch.pixels.shape == (16, 8, 8, 3) and batch.pixels.dtype == torch.uint8 and batch.pairs == 6
        numbers = (batch.pixels[:, 0, 0, 0].int() + 256 * batch.pixels[:, 0, 0, 1].int()).tolist()
        assert numbers[:6] == numbers[6:12] and all(n >= 200 for n in numbers[12:])
        assert batch.pixels[:12, 0, 0, 2].tolist() == [0] * 6 + [1] * 6
        sides = ["before"] * 6 + ["after"] * 6
        for row, number in enumerate(numbers):
            text = f"thing {number} {sides[row]}" if row < 12 else f"thing {number}"
            assert batch.short[row, : len(rules.ids(text))].tolist() == rules.ids(text)
            assert (batch.short[row, len(rules.ids(text)) :] == 0).all()
            assert batch.has_long[row] == (row >= 12 and number % 2 == 1)
            if not batch.has_long[row]:
                assert batch.long[row, :2].tolist() == rules.ids("")
        assert batch.has_short.all() and len(batch.names) == 16
        assert batch.names[0].endswith("(source)") and batch.names[6].endswith("(target)")
        assert len(set(numbers[:6])) == 6 and len(set(numbers[12:])) == 4


def test_all_processes_together_get_the_batches_of_one(sources):
    options = {"pairs": 12, "singles": 8, "captions": 24}
    whole = make(sources, **options)
    parts = [make(sources, rank=rank, world=2, **options) for rank in range(2)]
    broken = [0, 0]
    for step in range(12):
        batch, shares = whole.batch(step), [part.batch(step) for part in parts]
        broken = [count + len(part.broken) for count, part in zip(broken, shares, strict=True)]
        assert sorted(batch.broken) == sorted(shares[0].broken + shares[1].broken)
        pieces = [[s.pixels[:6], s.pixels[6:12], s.pixels[12:]] for s in shares]
        joined = torch.cat([part for pair in zip(*pieces, strict=True) for part in pair])
        assert torch.equal(joined, batch.pixels)
        named = [[s.names[:6], s.names[6:12], s.names[12:]] for s in shares]
        assert list(chain(*chain(*zip(*named, strict=True)))) == batch.names
        captions, halves = whole.captions(step, 8), [part.captions(step, 8) for part in parts]
        assert captions.names == halves[0].names + halves[1].names
    assert min(broken) >= 2


@pytest.mark.parametrize(
    ("workers", "start"), [(1, None), (2, None), pytest.param(2, "spawn", marks=pytest.mark.slow_training)]
)
def test_workers_change_nothing(sources, workers, start):
    alone = make(sources, pairs=6, singles=4)
    several = make(sources, pairs=6, singles=4, workers=workers)
    alone.batch(0), several.batch(0)  # Files are open in this process when the workers start.
    loader = several.loader(3, 17, start)
    assert len(loader) == 14
    for step, batch in zip(range(3, 17), loader, strict=True):
        assert same(batch, alone.batch(step))
    assert several.tally.summary() == alone.tally.summary() and alone.tally.broken > 0


def test_a_resumed_run_continues_with_the_same_batches(sources):
    first = list(make(sources, pairs=6, singles=4).loader(0, 12))
    resumed = list(make(sources, pairs=6, singles=4).loader(7, 12))
    assert all(same(a, b) for a, b in zip(first[7:], resumed, strict=True))
    other = list(make(sources, pairs=6, singles=4, seed=2).loader(7, 12))
    assert not any(same(a, b) for a, b in zip(resumed, other, strict=True))


def test_broken_records_are_replaced_counted_and_named(sources, tmp_path, capfd):
    batches = make(sources, run=tmp_path, pairs=6, singles=4, workers=1)
    for batch in batches.loader(0, 60):
        names = " ".join(batch.names)
        assert "one.parquet:3 " not in names and "one.parquet:17 " not in names and "0203.png" not in names
        assert len(set(batch.names)) == 16
    batches.tally.close()
    lines = [json.loads(line) for line in (tmp_path / "broken.jsonl").read_text().splitlines()]
    named = {
        (line["replaced"]["file"].split("/")[-1], line["replaced"]["row"])
        for line in lines
        if "replaced" in line
    }
    assert named == {
        ("one.parquet", "3 (edited_image)"),
        ("one.parquet", "17 (edited_image)"),
        ("two.parquet", "15 (edited_image)"),
        ("folder", "0203.png"),
    }
    summary = lines[-1]
    # Two thirds of 60 * 6 edits come from the first source in 4 epochs; substitutes may be broken too.
    assert summary["reasons"] == {"image does not decode": summary["broken"]} and summary["broken"] >= 8
    assert summary["read"] == 600 + summary["broken"]
    assert sum(summary["files"].values()) == summary["broken"]
    assert "records replaced: 1 × image does not decode; first:" in capfd.readouterr().err


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_broken_records_end_the_run(tmp_path, workers):
    def spoil(row):
        number = int(row["source_caption"].split()[1])
        return row | {"source_image": None} if number % 6 == 0 else row

    write_edits(tmp_path / "bad.parquet", range(120), change=spoil)
    good = write_edits(tmp_path / "good.parquet", range(120))
    sources = [source("ultraedit", tmp_path / "bad.parquet"), source("ultraedit", good)]
    batches = make(sources, pairs=20, workers=workers)
    assert len(list(batches.loader(0, 60))) == 60
    batches = make(sources, 0.05, pairs=20, workers=workers)
    with pytest.raises(DataError) as error:
        list(batches.loader(0, 60))
    message = str(error.value)
    assert "more than the 5% allowed" in message and f"from {tmp_path}/bad.parquet" in message
    assert "\n" not in message and batches.tally.read >= 500


@pytest.mark.parametrize("workers", [0, 1])
def test_data_without_one_good_record_ends_the_run_at_once(tmp_path, workers):
    path = write_edits(tmp_path / "a.parquet", range(50), change=lambda row: row | {"source_caption": "\0"})
    batches = make([source("ultraedit", path)], pairs=4, workers=workers)
    with pytest.raises(
        DataError, match=r"can stand in for a broken record; .*a\.parquet:\d+: no source_caption"
    ) as e:
        list(batches.loader(0, 3))
    assert "\n" not in str(e.value)


def test_a_note_about_a_file_is_printed_and_kept(tmp_path, capfd):
    path = write_tar(tmp_path / "a.tar", range(20))
    path.write_bytes(path.read_bytes()[:30000])
    make([source("webdataset", path)], run=tmp_path, singles=4)
    assert "a.tar is cut short" in capfd.readouterr().err
    assert "cut short" in json.loads((tmp_path / "broken.jsonl").read_text())["note"]


def test_an_image_that_the_preprocessing_cannot_take_is_broken(tmp_path):
    def fails(shown):
        if shown.getpixel((0, 0))[0] == 5:
            raise ValueError("conversion not supported")
        return preprocess(shown)

    write_folder(tmp_path, range(20))
    Image.new("RGB", (600, 8)).save(tmp_path / "0006.png")
    batches = Batches(recipe(singles=9), open_sources([source("folder", tmp_path)]), fails, Rules())
    for step in range(8):
        batches.batch(step)
    assert set(batches.tally.reasons) == {"image does not preprocess", "image too narrow"}
    assert {"conversion not supported", "600 × 8 pixels"} == {
        broken.detail.split(": ")[-1] for broken in batches.tally.first
    }


def test_a_caption_of_5000_words_is_cut_before_it_is_tokenised(tmp_path):
    write_folder(tmp_path, range(8))
    words = "many words " * 2500
    (tmp_path / "0003.txt").write_text(f"short\n{words}")
    rules, seen = Rules(24), []
    ids = rules.ids
    rules.ids = lambda text: seen.append(len(text)) or ids(text)
    batches = make([source("folder", tmp_path)], rules=rules, singles=8)
    batch = batches.batch(0)
    assert max(seen) == 24 * 32 and batch.truncated == 1 == batches.tally.truncated
    row = next(row for row, name in enumerate(batch.names) if "0003" in name)
    assert batch.long.shape[1] == 24 and batch.long[row].tolist() == ids(words)


def test_captions_of_stage_1(sources):
    batches = make(sources, captions=16, rules=Rules(20))
    seen = set()
    for step, captions in enumerate(batches.caption_loader(0, 20, 7)):
        again = batches.captions(step, 7)
        assert torch.equal(captions.ids, again.ids) and torch.equal(captions.cut, again.cut)
        assert captions.cut.shape[1] <= 7 < captions.ids.shape[1] <= 20 and len(captions.names) == 16
        for row, cut in zip(captions.ids.tolist(), captions.cut.tolist(), strict=True):
            row, cut = [i for i in row if i], [i for i in cut if i]
            assert cut == (row if len(row) <= 7 else [*row[:6], row[-1]])
            seen.add(batches.text_rules.tokenize.tokenizer.decode(row[1:-1]))
    # Images are not opened, so no record counts as broken; both sides and long captions occur.
    assert batches.tally.broken == 0
    assert {" thing 3 before", " thing 3 after"} & seen
    for part in ("before", "after", "this is thing"):
        assert any(part in text for text in seen), part


def test_invalid_batch_settings_are_refused(sources):
    with pytest.raises(RecipeError, match=r"`finetune\.steps` is 0"):
        make(sources, captions=4).batch(0)
    with pytest.raises(RecipeError, match=r"`distil\.steps` is 0"):
        make(sources, pairs=4).captions(0)
    with pytest.raises(RecipeError, match=r"`finetune\.singles` is 4, and no source has singles"):
        make(sources[:2], pairs=2, singles=4)
    with pytest.raises(RecipeError, match=r"`finetune\.pairs` is 7: 2 processes cannot share that equally"):
        make(sources, pairs=7, world=2)
    with pytest.raises(DataError, match="40 records, and a step takes up to 41 of them"):
        make(sources[1:2], pairs=41)


def test_pixels_are_the_preprocessing_of_the_stored_image(tmp_path):
    """No augmentation: the image is not mirrored, and no edge is cut off."""
    import io

    picture = Image.effect_noise((8, 8), 80).convert("RGB")
    out = io.BytesIO()
    picture.save(out, "png")
    cell = {"bytes": out.getvalue(), "path": None}
    change = {"source_image": cell, "edited_image": {"bytes": encoded(1), "path": None}}
    path = write_edits(tmp_path / "a.parquet", range(2), change=lambda row: row | change)
    batch = make([source("ultraedit", path)], pairs=2).batch(5)
    assert torch.equal(batch.pixels[0], preprocess(picture)) and torch.equal(batch.pixels[1], batch.pixels[0])
