"""What `adapt` reads: the export of a line, broken records, and what cannot be used at all."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from adapt_toy import SIZE, correction, write_corrections, write_toy
from PIL import Image
from pyarrow import parquet

from clip_in_training.adapt.embedded import Embedder
from clip_in_training.adapt.encoders import fp32_encoders
from clip_in_training.adapt.geometry import Geometry
from clip_in_training.adapt.pairs import Broken, PairFolder
from clip_in_training.adapt.product import put_products
from clip_in_training.cli import main
from clip_in_training.common.errors import BackboneError, ExportError
from clip_in_training.finetune.backbone.bundle_backbone import load_bundle_backbone


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_toy(tmp_path_factory.mktemp("toy") / "bundle")


def refused(folder, bundle, capsys, *more) -> str:
    out = bundle.with_name("out")
    arguments = ["adapt", "--pairs", folder, "--from", bundle, "--out", out, "--replay", "none", *more]
    assert main([str(each) for each in arguments]) == 1
    assert not out.exists()
    return capsys.readouterr().err


def test_broken_records_are_named_and_left_out(tmp_path):
    rows = [correction(number, "train") for number in range(6)]
    rows[1]["edited_image"] = {"bytes": b"no picture", "path": "x.webp"}
    rows[2]["target_caption"] = " "
    rows[3]["target_caption"] = rows[3]["source_caption"]
    rows[4]["edited_image"] = rows[4]["source_image"]
    broken = Broken()
    kept = list(PairFolder(write_corrections(tmp_path, train=rows)).read("train", broken))
    assert [pair.part for pair in kept] == ["train-0", "train-5"] and broken.read == 6
    reasons = [str(record) for record in broken.records]
    file = tmp_path / "train.parquet"
    assert reasons[0].startswith(f"{file}:1 (edited_image): image does not decode")
    assert reasons[1:] == [
        f"{file}:2: no target_caption",
        f"{file}:3: both captions are the same ({rows[3]['source_caption']})",
        f"{file}:4: both pictures are the same",
    ]


def test_broken_records_are_printed(tmp_path, bundle, capsys):
    rows = [correction(number, "train") for number in range(12)]
    rows[0]["source_image"] = {"bytes": b"", "path": None}
    folder = write_corrections(tmp_path / "pairs", train=rows)
    arguments = ["--pairs", folder, "--from", bundle, "--out", tmp_path / "out", "--replay", "none"]
    main(["adapt", *map(str, arguments)])
    said = capsys.readouterr().out
    assert "1 of 12 rows cannot be used" in said and "train.parquet:0 (source_image): no image" in said


def test_all_records_broken_is_an_error(tmp_path, bundle, capsys):
    rows = [{**correction(0, "train"), "source_caption": None}]
    message = refused(write_corrections(tmp_path, train=rows), bundle, capsys)
    assert "no pair to train on: 1 rows, 1 of them broken" in message and "no source_caption" in message


def test_shards_paths_and_other_columns(tmp_path):
    """Shards in order; pictures as paths; columns that are not known."""
    rows = [correction(number, "train") for number in range(4)]
    (tmp_path / "a.webp").write_bytes(rows[2]["source_image"]["bytes"])
    rows[2]["source_image"] = {"bytes": None, "path": "a.webp"}
    for shard in range(2):
        table = pa.Table.from_pylist(rows[2 * shard : 2 * shard + 2])
        parquet.write_table(table.append_column("x", [[1, 2]]), tmp_path / f"train-0000{shard}.parquet")
    broken = Broken()
    pairs = list(PairFolder(tmp_path).read("train", broken))
    assert [pair.part for pair in pairs] == [f"train-{number}" for number in range(4)] and not broken.records


def test_a_missing_column_is_named(tmp_path, bundle, capsys):
    write_corrections(tmp_path, train=4)
    table = parquet.read_table(tmp_path / "train.parquet").drop_columns(["target_caption"])
    parquet.write_table(table, tmp_path / "train.parquet")
    message = refused(tmp_path, bundle, capsys)
    assert "train.parquet lacks the column target_caption" in message


def test_no_pairs_are_an_error(tmp_path, bundle, capsys):
    assert "has none of train.parquet" in refused(tmp_path, bundle, capsys)
    assert "is no folder" in refused(tmp_path / "nothing", bundle, capsys)
    empty = write_corrections(tmp_path / "empty", train=0, validation=0, test=3)
    assert "no pair to train on" in refused(empty, bundle, capsys)
    (tmp_path / "train.parquet").write_bytes(b"PAR1 half")
    assert "is not a whole Parquet file" in refused(tmp_path, bundle, capsys)


def test_one_part_alone_is_an_error(tmp_path, bundle, capsys):
    rows = [{**correction(number, "train"), "part": "p1"} for number in range(5)]
    message = refused(write_corrections(tmp_path, train=rows), bundle, capsys)
    assert "are of one part" in message


def test_names_and_folders_are_checked(tmp_path, bundle, capsys):
    pairs = write_corrections(tmp_path / "pairs", train=4)
    assert "only a-z" in refused(pairs, bundle, capsys, "--name", "No Name")
    assert "has no bundle.json" in refused(pairs, tmp_path / "no", capsys)
    arguments = ["adapt", "--pairs", pairs, "--from", bundle, "--out", bundle]
    assert main([str(each) for each in arguments]) == 1
    assert "--out is the bundle to adapt" in capsys.readouterr().err


def test_equal_captions_and_pictures_are_embedded_once(bundle, tmp_path, monkeypatch):
    """Many corrections share captions and the reference's picture. Equal captions have equal numbers."""
    rows = [correction(number, "train") for number in range(9)]
    for each in rows:
        each["source_image"] = rows[0]["source_image"]
    rows[3]["source_caption"] = "A part  without a RED spot"
    folder = PairFolder(write_corrections(tmp_path, train=rows))
    encoders = fp32_encoders(bundle, json.loads((bundle / "bundle.json").read_text()), 1)
    seen = []
    images = encoders.images
    monkeypatch.setattr(encoders, "images", lambda pixels: (seen.append(len(pixels)), images(pixels))[1])
    embedded = Embedder(encoders, 12)(folder.read("train", Broken()))
    assert sum(seen) == 10
    assert len(set(embedded.captions.flatten().tolist())) == 6
    assert embedded.captions[0].tolist() == embedded.captions[3].tolist()
    np.testing.assert_array_equal(embedded.texts[0], embedded.texts[6])


def test_weights_from_before_are_not_trained_on(bundle, tmp_path):
    folder = tmp_path / "adapted"
    shutil.copytree(bundle, folder)
    content = json.loads((folder / "bundle.json").read_text())
    content["provenance"]["adapted"] = [{"from": {"name": "toy"}}]
    (folder / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(
        BackboneError, match=r"was adapted, and its model.safetensors holds the weights from before"
    ):
        load_bundle_backbone(folder)
    assert main(["variants", "--bundle", str(folder)]) == 1


def test_a_product_needs_its_output(bundle, tmp_path):
    with pytest.raises(ExportError, match="has no output nothing; it has embedding"):
        put_products(bundle / "text.onnx", tmp_path / "text.onnx", {"nothing": np.eye(12)})


@pytest.mark.parametrize(
    ("mode", "rounding", "size", "expected"),
    [
        ("shortest", "half_even", (40, 19), (16, 16)),
        ("shortest", "down", (19, 40), (16, 16)),
        ("longest", "half_even", (40, 19), (16, 16)),
        ("squash", "half_even", (7, 31), (16, 16)),
    ],
)
def test_geometry_is_that_of_fine_tuning(mode, rounding, size, expected):
    """Against torchvision and open_clip, which `Preprocess` uses; "down" against transformers' rule."""
    from clip_in_training.finetune.backbone.backbone import ImageRules
    from clip_in_training.finetune.backbone.images import Preprocess

    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    rules = {
        "size": [SIZE, SIZE],
        "resize_mode": mode,
        "interpolation": "bicubic",
        "crop_rounding": rounding,
        "fill_color": 7,
    }
    found = Geometry(rules)(image)
    assert found.shape == (*expected, 3)
    if rounding == "half_even":
        known = Preprocess(ImageRules(SIZE, (0, 0, 0), (1, 1, 1), "bicubic", mode, 7))
        np.testing.assert_array_equal(found, known(image).numpy())
    else:
        scaled = image.resize((SIZE, SIZE * 40 // 19), Image.Resampling.BICUBIC)
        top = (scaled.height - SIZE) // 2
        np.testing.assert_array_equal(found, np.asarray(scaled.crop((0, top, SIZE, top + SIZE))))


def test_lora_needs_weights(tmp_path, bundle, capsys):
    pairs = write_corrections(tmp_path / "pairs", train=4)
    message = refused(pairs, bundle, capsys, "--way", "lora")
    assert "has no weights that can be trained here" in message and "use --way adapters" in message
