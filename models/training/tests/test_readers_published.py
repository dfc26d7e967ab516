"""The published layouts of the data sets, and the records that their benchmarks exclude from training.

- DOCCI: docci_descriptions.jsonlines of https://google.github.io/docci and the loader google/docci/docci.py of the
  Hub, which reads `image_file`.
- UltraEdit: the files of BleachNick/UltraEdit on the Hub, `data/FreeForm_104-00000-of-00002.parquet`.
- ShareGPT4V: projects/ShareGPT4V/docs/Data.md of InternLM-XComposer (images in `data/`, JSON in
  `data/sharegpt4v/`), and train/sharegpt4v.py of Long-CLIP (JSON in `data/` itself; the first 1,000 records are its
  evaluation).
- Karpathy's splits: `filename` of dataset_coco.json, COCO_val2014_000000391895.jpg.
"""

import json

import pytest
from reader_data import image, number_of, opened, source, write_edits, write_folder, write_tar
from test_readers_formats import check_reader

from clip_in_training.common.errors import DataError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.readers.sources import fingerprint, open_sources


def numbers(reader) -> list[int]:
    records = (reader.read(row) for row in range(len(reader)))
    return [number_of((r.source if reader.role == "edits" else r.view).image)[0] for r in records]


def write_docci(folder, splits=("train", "train", "test", "qual_dev", "qual_test", "train")):
    (folder / "images").mkdir(parents=True)
    lines = []
    for number, split in enumerate(splits):
        name = f"{split}_{number:05}"
        image(number).save(folder / f"images/{name}.png")
        said = f"A medium shot of thing {number}. It is large."
        lines.append({"example_id": name, "split": split, "image_file": f"{name}.png", "description": said})
    path = folder / "docci_descriptions.jsonlines"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_sharegpt4v(json_folder, images, count=6):
    """Paths as in share-captioner_coco_lcs_sam_1246k_1107.json."""
    (images / "coco/train2017").mkdir(parents=True)
    json_folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(count):
        path = f"coco/train2017/{number:012}.png"
        image(number).save(images / path)
        turns = [
            {"from": "human", "value": "<image>\nDescribe."},
            {"from": "gpt", "value": f"Thing {number}. Large."},
        ]
        records.append({"id": f"{number:012}", "image": path, "conversations": turns})
    path = json_folder / "share-captioner_coco_lcs_sam_1246k_1107.json"
    path.write_text(json.dumps(records))
    return path


def test_docci_names_its_images_image_file(tmp_path):
    reader = opened("docci", write_docci(tmp_path))
    check_reader(reader)
    assert numbers(reader) == [0, 1, 5]
    assert reader.read(2).view.short == "A medium shot of thing 5"
    assert reader.left_out == {"split other than train": 3}


def test_ultraedits_splits_are_read_together_in_their_order(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "UltraEdit"
    for split, first in ((0, 0), (2, 10), (10, 20)):
        for part in (0, 1):
            start = first + 5 * part
            path = folder / f"data/FreeForm_{split}-0000{part}-of-00002.parquet"
            write_edits(path, range(start, start + 5))
    reader = opened("ultraedit", f"hub:{folder}")
    check_reader(reader)
    assert numbers(reader) == list(range(30))
    assert numbers(opened("ultraedit", f"hub:{folder}:FreeForm_2")) == list(range(10, 20))
    assert numbers(opened("ultraedit", f"hub:{folder}:FreeForm_?")) == list(range(20))
    with pytest.raises(DataError, match=r"cannot load the split RegionBase of .*FreeForm_0, FreeForm_"):
        opened("ultraedit", f"hub:{folder}:RegionBase")
    # If downloaded by hand, the files are read whatever the names of their splits are.
    assert sorted(numbers(opened("ultraedit", folder))) == list(range(30))
    write_edits(tmp_path / "Region/data/RegionBase-00000-of-00001.parquet", range(3))
    assert numbers(opened("ultraedit", f"hub:{tmp_path}/Region")) == [0, 1, 2]


def test_sharegpt4vs_images_are_found_in_both_published_layouts(tmp_path):
    ours = tmp_path / "project/data"
    assert numbers(opened("sharegpt4v", write_sharegpt4v(ours / "sharegpt4v", ours))) == list(range(6))
    ours = tmp_path / "longclip/sharegpt4v/data"
    assert numbers(opened("sharegpt4v", write_sharegpt4v(ours, ours))) == list(range(6))
    ours = tmp_path / "beside/sharegpt4v"
    assert numbers(opened("sharegpt4v", write_sharegpt4v(ours, ours / "data"))) == list(range(6))


def test_skip_leaves_the_evaluations_records_out(tmp_path):
    path = write_sharegpt4v(tmp_path, tmp_path)
    reader = opened("sharegpt4v", path, skip=2)
    check_reader(reader)
    assert numbers(reader) == [2, 3, 4, 5] and reader.left_out == {"first 2": 2} and reader.total == 6
    assert numbers(opened("sharegpt4v", path, skip=2, limit=3)) == [2, 3, 4]
    with pytest.raises(DataError, match="no records left of 6: first 9 refused 6"):
        opened("sharegpt4v", path, skip=9)
    with pytest.raises(RecipeError, match=r"sources\[0\]\.skip` must not be negative"):
        opened("sharegpt4v", path, skip=-1)
    edits = write_edits(tmp_path / "edits.parquet", range(25))
    reader = opened("ultraedit", edits, skip=13)
    check_reader(reader)
    assert numbers(reader) == list(range(13, 25)) and [len(g) for g in reader.groups()] == [7, 5]
    sides = opened("ultraedit", edits, skip=13, role="singles")
    assert numbers(sides)[:3] == [13, 13, 14] and len(sides) == 24


def test_exclude_knows_karpathys_names_of_coco_images(tmp_path):
    path = write_sharegpt4v(tmp_path, tmp_path)
    names = tmp_path / "karpathy-test.txt"
    names.write_text("COCO_val2014_000000000001.jpg\nCOCO_train2014_000000000004.jpg\n\n")
    reader = opened("sharegpt4v", path, skip=1, exclude=str(names))
    check_reader(reader)
    assert numbers(reader) == [2, 3, 5]
    assert reader.left_out == {"first 1": 1, "named in karpathy-test.txt": 2}
    assert numbers(opened("sharegpt4v", path, exclude=str(names), limit=2)) == [0, 2]


def test_exclude_uses_file_names_in_every_format_with_names(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("train_00001.jpg\n0002\n000003.png\n")
    docci = opened("docci", write_docci(tmp_path / "docci"), exclude=str(names))
    assert numbers(docci) == [0, 5]
    folder = opened("folder", write_folder(tmp_path / "folder", range(4)), exclude=str(names))
    assert numbers(folder) == [0, 1, 3]
    tars = opened("webdataset", write_tar(tmp_path / "0.tar", range(5)), exclude=str(names))
    check_reader(tars)
    assert numbers(tars) == [0, 1, 2, 4]
    with pytest.raises(RecipeError, match="no image names to exclude by"):
        opened("ultraedit", write_edits(tmp_path / "e.parquet", range(3)), exclude=str(names))


def test_a_list_that_cannot_be_used_is_refused_and_one_without_effect_is_noted(tmp_path):
    path = write_sharegpt4v(tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"cannot read the names to exclude from .*gone\.txt"):
        opened("sharegpt4v", path, exclude=str(tmp_path / "gone.txt"))
    names = tmp_path / "names.txt"
    names.write_text("\n")
    with pytest.raises(DataError, match="holds no names"):
        opened("sharegpt4v", path, exclude=str(names))
    names.write_text("other.jpg\n")
    reader = opened("sharegpt4v", path, exclude=str(names))
    assert len(reader) == 6 and "names none of its 6 records" in reader.notes[0]


def test_excluded_records_change_the_fingerprint(tmp_path):
    path = write_sharegpt4v(tmp_path, tmp_path)
    names = tmp_path / "names.txt"
    prints = set()
    for content, skip in (("000000000001", 0), ("000000000002", 0), ("000000000002", 1)):
        names.write_text(content)
        prints.add(fingerprint(open_sources([source("sharegpt4v", path, exclude=str(names), skip=skip)])))
    prints.add(fingerprint(open_sources([source("sharegpt4v", path)])))
    assert len(prints) == 4
