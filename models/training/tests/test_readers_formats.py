"""Every data format in its published layout, complete and broken."""

import itertools
import json
import pickle
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reader_data import (
    SCHEMA,
    encoded,
    image,
    number_of,
    opened,
    write_edits,
    write_folder,
    write_tar,
)

from clip_in_training.common.errors import DataError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.readers.json_records import JsonRecords
from clip_in_training.finetune.readers.reader import RecordError
from clip_in_training.finetune.readers.sources import describe, fingerprint


def views(reader, row):
    """Number of the image, short and long caption of a single."""
    single = reader.read(row)
    return number_of(single.view.image)[0], single.view.short, single.view.long


def check_reader(reader):
    """Checks that apply to all: the groups are all rows in order, captions agree, a pickled copy reads the same."""
    assert list(itertools.chain(*reader.groups())) == list(range(len(reader)))
    copy = pickle.loads(pickle.dumps(reader))
    for row in range(len(reader)):
        record, again = reader.read(row), copy.read(row)
        shown = [record.source, record.target] if reader.role == "edits" else [record.view]
        said = [text for text in (*(v.short for v in shown), *(v.long for v in shown)) if text]
        assert reader.captions(row) == copy.captions(row) == said
        assert record.name == again.name
    with pytest.raises(IndexError):
        reader.read(len(reader))


# Edits


def test_ultraedit(tmp_path):
    write_edits(tmp_path / "a.parquet", range(25))
    write_edits(tmp_path / "deeper/b.parquet", range(25, 40))
    reader = opened("ultraedit", tmp_path)
    check_reader(reader)
    assert [len(g) for g in reader.groups()] == [10, 10, 5, 10, 5] and reader.role == "edits"
    for number in (0, 9, 10, 24, 25, 39):
        pair = reader.read(number)
        assert number_of(pair.source.image) == (number, 0) and number_of(pair.target.image) == (number, 1)
        assert (pair.source.short, pair.target.short) == (f"thing {number} before", f"thing {number} after")
    assert reader.read(26).name == f"{tmp_path}/deeper/b.parquet:1"
    assert len(opened("ultraedit", tmp_path / "*.parquet")) == 25
    assert len(opened("ultraedit", tmp_path, limit=27)) == 27


def test_ultraedit_of_this_repository(tmp_path):
    """The columns that `scenes/` writes: null qualities, long captions, a category."""
    other = {"source_caption_long": "a long before", "target_caption_long": None, "category": "color"}
    schema = SCHEMA
    for name in other:
        schema = schema.append(pa.field(name, pa.string()))
    write_edits(tmp_path / "a.parquet", range(3), change=lambda row: row | other, schema=schema)
    pair = opened("ultraedit", tmp_path).read(1)
    assert (pair.source.long, pair.target.long, pair.category) == ("a long before", None, "color")


def test_the_sides_of_edits_as_images_of_their_own(tmp_path):
    path = write_edits(tmp_path / "edits.parquet", range(25))
    edits, sides = opened("ultraedit", path), opened("ultraedit", path, role="singles")
    assert (edits.role, sides.role, len(sides)) == ("edits", "singles", 50)
    for row in (0, 1, 48, 49):
        edit, single = edits.read(row // 2), sides.read(row)
        view = (edit.source, edit.target)[row % 2]
        assert (single.view.short, single.view.long) == (view.short, view.long)
        assert number_of(single.view.image) == number_of(view.image) == (row // 2, row % 2)
        assert single.name == f"{edit.name} ({('source', 'target')[row % 2]})"
    assert list(itertools.chain(*sides.groups())) == list(range(50)) and len(sides.groups()) == 3
    with pytest.raises(RecipeError, match="role"):
        opened("folder", write_folder(tmp_path / "folder", range(3)), role="edits")


def test_filters_are_minimums_and_counted(tmp_path):
    write_edits(tmp_path / "a.parquet", range(40))
    write_edits(tmp_path / "b.parquet", range(40, 60))
    reader = opened("ultraedit", tmp_path, filters={"clip_sim_dir": 0.12, "ssim": 0.5})
    kept = [n for n in range(60) if n >= 20 and n % 5]
    assert [number_of(reader.read(row).source.image)[0] for row in range(len(reader))] == kept
    assert reader.left_out == {"clip_sim_dir": 20, "ssim": 12} and reader.total == 60
    check_reader(reader)
    assert reader.read(0).name.endswith("a.parquet:21")
    # A row group whose rows are all filtered out is not a group.
    assert [len(g) for g in reader.groups()] == [8, 8, 8, 8]
    with pytest.raises(DataError, match=r"no records left of 60: ssim refused 60"):
        opened("ultraedit", tmp_path, filters={"ssim": 0.9})


def test_a_missing_column_is_named_at_start(tmp_path):
    path = write_edits(tmp_path / "a.parquet", range(3))
    pq.write_table(pq.read_table(path).drop_columns("target_caption"), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet lacks the column target_caption; it has"):
        opened("ultraedit", tmp_path)
    with pytest.raises(DataError, match=r"a\.parquet lacks the column dinov2_sim"):
        opened("ultraedit", path, filters={"dinov2_sim": 0.3})
    with pytest.raises(DataError, match=r"the column source_caption must be numbers"):
        opened("ultraedit", path, filters={"source_caption": 0.3})


def test_a_truncated_parquet_file_is_named_at_start(tmp_path):
    path = write_edits(tmp_path / "a.parquet", range(30))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.parquet is not a whole Parquet file"):
        opened("ultraedit", path)


def test_a_damaged_row_group_breaks_its_rows_alone(tmp_path):
    path = write_edits(tmp_path / "a.parquet", range(30))
    data = bytearray(path.read_bytes())
    first = pq.ParquetFile(path).metadata.row_group(1).column(0)
    start = min(first.data_page_offset, first.dictionary_page_offset or first.data_page_offset)
    data[start : start + 200] = bytes(200)
    path.write_bytes(data)
    reader = opened("ultraedit", path)
    assert number_of(reader.read(9).source.image)[0] == 9 and number_of(reader.read(20).source.image)[0] == 20
    for row in (10, 19):
        with pytest.raises(RecordError, match=rf"a\.parquet:{row}: row group unreadable"):
            reader.read(row)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"source_image": {"bytes": b"no image", "path": None}},
            r":1 \(source_image\): image does not decode",
        ),
        (
            {"edited_image": {"bytes": encoded(1)[:50], "path": None}},
            r"edited_image\): image does not decode",
        ),
        ({"edited_image": None}, r"edited_image\): no image"),
        (
            {"edited_image": {"bytes": None, "path": "gone.png"}},
            r"edited_image\): image file missing \(.*gone",
        ),
        ({"source_caption": " \0\0 "}, "no source_caption"),
        ({"target_caption": ""}, "no target_caption"),
        ({"target_caption": None}, "no target_caption"),
    ],
)
def test_a_broken_edit_is_named(tmp_path, change, message):
    def spoil(row):
        return row | change if row["source_caption"] == "thing 1 before" else row

    reader = opened("ultraedit", write_edits(tmp_path / "a.parquet", range(3), change=spoil))
    assert number_of(reader.read(2).source.image)[0] == 2
    with pytest.raises(RecordError, match=message) as error:
        reader.read(1)
    assert error.value.file == str(tmp_path / "a.parquet")


def test_images_of_an_edit_may_be_files(tmp_path):
    image(7).save(tmp_path / "7.png")
    path = {"bytes": None, "path": "7.png"}
    reader = opened(
        "ultraedit", write_edits(tmp_path / "a.parquet", [7], change=lambda r: r | {"source_image": path})
    )
    assert number_of(reader.read(0).source.image)[0] == 7


def test_the_hub(tmp_path, monkeypatch):
    """`datasets` accepts a folder as the name of a data set: its own code reads the data, without network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write_edits(tmp_path / "set/data/train-00000-of-00001.parquet", range(12))
    write_edits(tmp_path / "set/data/test-00000-of-00001.parquet", range(3))
    reader = opened("ultraedit", f"hub:{tmp_path}/set")
    check_reader(reader)
    assert len(reader) == 12 and number_of(reader.read(11).target.image) == (11, 1)
    assert len(opened("ultraedit", f"hub:{tmp_path}/set:test")) == 3
    reader = opened("ultraedit", f"hub:{tmp_path}/set", filters={"ssim": 0.5})
    assert (
        len(reader) == 9 and reader.left_out == {"ssim": 3} and number_of(reader.read(0).source.image)[0] == 1
    )
    with pytest.raises(DataError, match="cannot load the split dev of"):
        opened("ultraedit", f"hub:{tmp_path}/set:dev")
    with pytest.raises(DataError, match="lacks the column dinov2_sim"):
        opened("ultraedit", f"hub:{tmp_path}/set", filters={"dinov2_sim": 0.5})


def test_edit_jsonl(tmp_path):
    lines = []
    (tmp_path / "img").mkdir()
    for number in range(4):
        image(number, 0).save(tmp_path / f"img/{number}s.png")
        image(number, 1).save(tmp_path / f"img/{number}t.png")
        lines.append(
            {
                "source_image": f"img/{number}s.png",
                "target_image": f"img/{number}t.png",
                "source_caption": f"thing {number} ä",
                "target_caption": f"thing {number} after",
            }
        )
    lines[1] |= {"category": "color", "target_caption_long": "long after"}
    path = tmp_path / "edits.jsonl"
    # A byte order mark as Windows editors write it, blank lines, no last line break.
    path.write_text(
        "\ufeff" + "\n\n".join(json.dumps(x, ensure_ascii=False) for x in lines), encoding="utf-8"
    )
    reader = opened("edit_jsonl", path)
    check_reader(reader)
    pair = reader.read(1)
    assert (pair.category, pair.source.short, pair.target.long) == ("color", "thing 1 ä", "long after")
    assert number_of(pair.target.image) == (1, 1)
    path.write_text(
        "\n".join([json.dumps(lines[0]), "{broken", "[1]", json.dumps(lines[3] | {"source_image": "x"})])
    )
    reader = opened("edit_jsonl", path)
    for row, reason in ((1, "not JSON"), (2, "not a JSON object"), (3, "image file missing")):
        with pytest.raises(RecordError, match=rf"edits\.jsonl:{row}: {reason}"):
            reader.read(row)
    path.write_text('{"source_image": "a", "image": "b"}\n')
    with pytest.raises(DataError, match=r"edits\.jsonl: the first record lacks `target_image`"):
        opened("edit_jsonl", path)
    path.write_text("")
    with pytest.raises(DataError, match=r"edits\.jsonl is empty"):
        opened("edit_jsonl", path)


# Singles


def share_gpt(number, **other):
    said = f'Thing {number} has "}}]" in it. It is\nlarge and \\{{ odd.'
    turns = [{"from": "human", "value": "Describe.\n<image>"}, {"from": "gpt", "value": said}]
    return {"id": str(number), "image": f"coco/train2017/{number}.png", "conversations": turns} | other


def test_sharegpt4v(tmp_path):
    folder = tmp_path / "data/coco/train2017"
    folder.mkdir(parents=True)
    for number in range(3):
        image(number).save(folder / f"{number}.png")
    records = [share_gpt(0), share_gpt(1), share_gpt(2), share_gpt(3), share_gpt(1, conversations=[])]
    for indent in (None, 2):
        path = tmp_path / "sharegpt4v.json"
        path.write_text(json.dumps(records, indent=indent))
        reader = opened("sharegpt4v", path, images=str(tmp_path / "data"))
        assert len(reader) == 5
        assert views(reader, 1) == (
            1,
            'Thing 1 has "}]" in it',
            'Thing 1 has "}]" in it. It is large and \\{ odd.',
        )
        with pytest.raises(RecordError, match=r"sharegpt4v\.json:3: image file missing \(.*3\.png"):
            reader.read(3)
        assert len(reader.captions(3)) == 2
        with pytest.raises(RecordError, match=r"sharegpt4v\.json:4: no caption"):
            reader.read(4)
        check_reader(opened("sharegpt4v", path, images=str(tmp_path / "data"), limit=3))
    path.write_text(json.dumps(records)[:-10])
    with pytest.raises(
        DataError, match=r"sharegpt4v\.json is cut short: its list does not end after 4 records"
    ):
        opened("sharegpt4v", path)


def test_dci(tmp_path):
    base = tmp_path / "densely_captioned_images"
    for name in ("annotations", "photos"):
        (base / name).mkdir(parents=True)
    for number in range(4):
        image(number).save(base / f"photos/sa_{number}.png")
        record = {
            "image": f"sa_{number}.png",
            "short_caption": f"thing {number}",
            "extra_caption": f"It is\nthing {number}.",
            "mask_data": {"0": {"outer_mask": "aGVsbG8=", "caption": "a part"}},
            "mask_keys": ["0"],
        }
        (base / f"annotations/sa_{number}.json").write_text(json.dumps(record))
    reader = opened("dci", base)
    check_reader(reader)
    assert len(reader) == 4 and views(reader, 2) == (2, "thing 2", "It is thing 2.")
    assert "splits.json" in reader.notes[0]
    splits = {"train": ["sa_1.json", "sa_3.json"], "valid": ["sa_0.json"], "test": ["sa_2.json"]}
    (base / "splits.json").write_text(json.dumps(splits))
    (base / "annotations/sa_3.json").write_text("{")
    reader = opened("dci", base / "annotations")
    assert len(reader) == 2 and reader.left_out == {"split other than train": 2} and not reader.notes
    assert views(reader, 0) == (1, "thing 1", "It is thing 1.")
    with pytest.raises(RecordError, match=r"sa_3\.json: not JSON"):
        reader.read(1)
    (base / "annotations/sa_1.json").write_text(json.dumps({"image": "sa_1.png", "caption": "x"}))
    with pytest.raises(DataError, match=r"sa_1\.json lacks `short_caption`"):
        opened("dci", base)


def test_docci(tmp_path):
    (tmp_path / "images").mkdir()
    lines = []
    for number, split in enumerate(["train", "test", "qual_dev", "train"]):
        image(number).save(tmp_path / f"images/{split}_{number:05}.png")
        name = f"{split}_{number:05}"
        said = f"Thing {number} stands. It is large."
        lines.append({"split": split, "image": f"{name}.png", "example_id": name, "description": said})
    path = tmp_path / "docci_descriptions.jsonlines"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    reader = opened("docci", path)
    check_reader(reader)
    assert len(reader) == 2 and reader.left_out == {"split other than train": 2}
    assert views(reader, 1) == (3, "Thing 3 stands", "Thing 3 stands. It is large.")


def test_webdataset(tmp_path):
    write_tar(tmp_path / "00000.tar", range(5))
    write_tar(tmp_path / "00001.tar", range(5, 9))
    reader = opened("webdataset", tmp_path)
    check_reader(reader)
    assert [len(g) for g in reader.groups()] == [5, 4]
    assert views(reader, 3) == (3, "thing 3", "This is thing 3.") and views(reader, 6) == (6, "thing 6", None)
    assert reader.read(6).name == f"{tmp_path}/00001.tar:part/000006.png"


def test_a_tar_that_is_cut_short_is_used_up_to_the_cut(tmp_path):
    whole = write_tar(tmp_path / "a.tar", range(6)).read_bytes()
    for cut in range(512, len(whole), 512 + 100):
        (tmp_path / "a.tar").write_bytes(whole[:cut])
        if cut < 1024:
            with pytest.raises(DataError, match="no samples with an image"):
                opened("webdataset", tmp_path)
            continue
        reader = opened("webdataset", tmp_path)
        assert [views(reader, row)[0] for row in range(len(reader) - 1)] == list(range(len(reader) - 1))
        at_the_end = not any(whole[cut:])
        assert ("cut short" in "".join(reader.notes)) or at_the_end
    (tmp_path / "a.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match=r"a\.tar is not a tar file"):
        opened("webdataset", tmp_path)


def test_broken_samples_of_a_tar(tmp_path):
    path = write_tar(tmp_path / "a.tar", range(4))
    data = path.read_bytes()
    path.write_bytes(data.replace(encoded(1), bytes(len(encoded(1)))).replace(b"thing 2", b"\0" * 7))
    reader = opened("webdataset", path)
    with pytest.raises(RecordError, match=r"a\.tar:part/000001\.png: image does not decode"):
        reader.read(1)
    with pytest.raises(RecordError, match=r"a\.tar:part/000002\.png: no caption"):
        reader.read(2)
    assert views(reader, 3)[0] == 3


def test_folder(tmp_path):
    write_folder(tmp_path / "set/deeper", range(4))
    (tmp_path / "set/lonely.PNG").write_bytes(encoded(9))
    reader = opened("folder", tmp_path / "set", limit=4)
    check_reader(reader)
    assert views(reader, 1) == (1, "thing 1", "This is thing 1. It is large.") and views(reader, 2)[2] is None
    reader = opened("folder", tmp_path / "set")
    with pytest.raises(RecordError, match=r"set:lonely\.PNG: text file missing"):
        reader.read(4)
    (tmp_path / "set/lonely.txt").write_text("\0\n \n")
    with pytest.raises(RecordError, match=r"set:lonely\.PNG: no caption"):
        reader.read(4)


# All


def test_a_source_without_a_reader_is_refused(tmp_path):
    path = write_edits(tmp_path / "a.parquet", range(3))
    with pytest.raises(RecipeError, match=r"`sources\[0\]\.kind` must be one of ultraedit, .*not 'parquet'"):
        opened("parquet", path)
    with pytest.raises(RecipeError, match=r"`sources\[0\]\.weight` must be above 0"):
        opened("ultraedit", path, weight=0.0)
    with pytest.raises(RecipeError, match="a source of kind folder has no quality columns"):
        opened("folder", tmp_path, filters={"ssim": 0.5})
    with pytest.raises(DataError, match="no such file, folder or pattern"):
        opened("ultraedit", tmp_path / "b.parquet")


def test_the_fingerprint_is_that_of_the_data(tmp_path):
    path = write_edits(tmp_path / "one/a.parquet", range(30))
    first = fingerprint([opened("ultraedit", path.parent)])
    assert fingerprint([opened("ultraedit", path)]) == first
    moved = tmp_path / "two/a.parquet"
    moved.parent.mkdir()
    moved.write_bytes(path.read_bytes())
    assert fingerprint([opened("ultraedit", moved)]) == first
    assert fingerprint([opened("ultraedit", path, limit=29)]) != first
    assert fingerprint([opened("ultraedit", path, filters={"ssim": 0.1})]) != first
    write_edits(moved, range(30), change=lambda row: row | {"source_caption": row["source_caption"] + "!"})
    assert fingerprint([opened("ultraedit", moved)]) != first
    tar = opened("webdataset", write_tar(tmp_path / "a.tar", range(3)))
    assert (
        len({first, fingerprint([tar]), fingerprint([opened("folder", write_folder(tmp_path / "f", [1]))])})
        == 3
    )
    (described,) = describe([tar])
    assert described["used"] == 3 and described["fingerprint"] == fingerprint([tar])


def test_the_index_of_a_record_takes_few_bytes(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"image": f"{n}.jpg", "said": "x" * 50}) + "\n" for n in range(20000)))
    table = pa.table({"ssim": np.linspace(0, 1, 100_000)})
    for name in ("source_caption", "target_caption"):
        table = table.append_column(name, pa.array(["a"] * len(table)))
    for name in ("source_image", "edited_image"):
        table = table.append_column(name, pa.array([b"b"] * len(table)))
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1000)

    def size_of(make):
        tracemalloc.start()
        kept = make()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size / len(kept)

    assert size_of(lambda: JsonRecords(path)) < 16
    assert size_of(lambda: opened("ultraedit", tmp_path / "a.parquet", filters={"ssim": 0.1})) < 8
