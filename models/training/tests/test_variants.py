"""Other precisions of a bundle, at toy size: close to fp32, with true measurements, and written atomically."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import open_clip
import pytest

from clip_in_training.cli import main
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums
from clip_in_training.export.inputs import scenes
from clip_in_training.export.precision_table import BEGIN, END
from clip_in_training.export.reference.clip_tokenizer import SPECIAL
from clip_in_training.export.variants import add
from clip_in_training.export.variants.structure import Structure
from clip_in_training.scratch.tokenizer.encode import load_tokenizer

DEMO = Path(__file__).parents[2] / "demo"
CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    (folder / "tiny-variants.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "tiny-variants.json")
    assert main(["reference", "--architecture", "tiny-variants", "--out", str(folder / "bundle")]) == 0
    return folder / "bundle"


@pytest.fixture(scope="module")
def bundle(plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants") / "bundle"
    shutil.copytree(plain, folder)
    assert main(["variants", "--bundle", str(folder), "--precisions", "fp16, int8"]) == 0
    return folder


def manifest(folder) -> dict:
    return json.loads((folder / "bundle.json").read_text())


def variant(folder, precision: str) -> dict:
    return next(v for v in manifest(folder)["variants"] if v["precision"] == precision)


def graphs(folder, precision: str) -> Graphs:
    entry = variant(folder, precision)
    tokenize = load_tokenizer(folder / "tokenizer.json", 77, SPECIAL)
    return Graphs(folder / entry["image"], folder / entry["text"], tokenize, threads=1)


def test_each_precision_is_entered_with_what_was_measured(bundle, plain):
    content = manifest(bundle)
    assert [v["precision"] for v in content["variants"]] == ["fp32", "int8", "fp16"]
    assert content["variants"][0] == manifest(plain)["variants"][0]
    for precision in ("fp16", "int8"):
        entry = variant(bundle, precision)
        assert entry["benchmark_delta"] is None, "random weights have no benchmark"
        assert entry["speedup"] == pytest.approx(
            content["provenance"]["speeds"][precision]["fp32_milliseconds"]["1"]
            / content["provenance"]["speeds"][precision]["milliseconds"]["1"]
        )
        for tower in ("image", "text"):
            assert 0 < entry["parity"][tower]["mean"] <= entry["parity"][tower]["worst"] < 0.01
        assert entry["golden_tolerance"] >= max(entry["parity"][t]["worst"] for t in ("image", "text"))
    assert content["files"] == checksums(bundle)
    assert {"image.int8.onnx", "text.int8.onnx", "image.fp16.onnx", "text.fp16.onnx"} <= set(content["files"])


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_entered_distance_is_that_of_the_files(bundle, precision):
    """Compared with fp32 in ONNX Runtime, on images and texts that neither calibration nor parity used."""
    pixels, texts = scenes(64, "train")
    exact, rounded = graphs(bundle, "fp32"), graphs(bundle, precision)
    for tower, one, other in (
        ("image", exact.encode_images(pixels), rounded.encode_images(pixels)),
        ("text", exact.encode_texts(texts), rounded.encode_texts(texts)),
    ):
        distance = 1 - np.sum(one.astype(float) * other, axis=-1)
        entered = variant(bundle, precision)["parity"][tower]
        assert distance.max() < 3 * entered["worst"]
        assert entered["mean"] / 3 < distance.mean() < 3 * entered["mean"]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_variant_keeps_its_types_and_unit_length(bundle, precision):
    """Types of inputs and outputs stay the same, and vectors have unit length as exactly as in fp32."""
    for tower in ("image", "text"):
        before = onnx.load(bundle / f"{tower}.onnx").graph
        after = onnx.load(bundle / f"{tower}.{precision}.onnx").graph
        for one, other in ((before.input, after.input), (before.output, after.output)):
            assert [v.name for v in one] == [v.name for v in other]
            assert [v.type.tensor_type.elem_type for v in one] == [
                v.type.tensor_type.elem_type for v in other
            ]
    vectors = graphs(bundle, precision).encode_texts(["a red bolt", "two blue mugs"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1, atol=1e-6)


def test_an_embedding_does_not_depend_on_its_batch(bundle):
    """The reason for calibrated ranges: a dynamic range depends on the batch."""
    pixels, texts = scenes(64)
    int8 = graphs(bundle, "int8")
    assert not variant(bundle, "int8")["batch_dependent"]
    np.testing.assert_allclose(int8.encode_images(pixels, 1), int8.encode_images(pixels, 16), atol=1e-5)
    np.testing.assert_allclose(int8.encode_texts(texts, 1), int8.encode_texts(texts, 16), atol=1e-5)


def test_a_repeated_export_gives_the_same_graphs(bundle, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(bundle, again)
    assert main(["variants", "--bundle", str(again), "--precisions", "int8"]) == 0
    assert [v["precision"] for v in manifest(again)["variants"]] == ["fp32", "int8", "fp16"]
    for name in ("image.int8.onnx", "text.int8.onnx", "image.fp16.onnx"):
        assert (again / name).read_bytes() == (bundle / name).read_bytes()
    assert manifest(again)["files"] == checksums(again)


def test_the_card_has_one_table_of_all(bundle):
    card = (bundle / "model-card.md").read_text()
    assert card.count(BEGIN) == card.count(END) == 1
    table = card.split(BEGIN)[1].split(END)[0]
    assert [line.split("|")[1].strip() for line in table.splitlines()[3:6]] == ["fp32", "int8", "fp16"]


def refused(folder, precisions: str, capsys) -> str:
    """Runs the command, checks that it fails and leaves the bundle unchanged, and returns the message."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert main(["variants", "--bundle", str(folder), "--precisions", precisions]) == 1
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert list(folder.parent.glob(".bundle-*")) == []
    return capsys.readouterr().err


def test_unknown_precisions_are_refused(plain, capsys):
    assert "unknown precision int4; known: int8, fp16, bf16" in refused(plain, "int4", capsys)


def test_an_inaccurate_variant_is_refused_and_changes_nothing(plain, capsys, monkeypatch):
    monkeypatch.setattr(add, "NONSENSE", 1e-9)
    assert "Leave int8 out of --precisions" in refused(plain, "int8", capsys)


def test_bf16_needs_openvino(plain, capsys, monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "has no OpenVINO, which computes bf16" in refused(plain, "bf16", capsys)


def test_no_bundle_is_one_line(tmp_path, capsys):
    assert main(["variants", "--bundle", str(tmp_path)]) == 1
    assert "bundle.json" in capsys.readouterr().err


def test_an_imported_bundle_is_refused(plain, tmp_path, capsys):
    folder = tmp_path / "bundle"
    shutil.copytree(plain, folder)
    content = manifest(folder)
    content["provenance"] = {"imported_from": "somewhere"}
    (folder / "bundle.json").write_text(json.dumps(content))
    assert "was not trained here" in refused(folder, "int8", capsys)


def test_the_gemm_before_the_projection_is_found_where_it_reads_one_vector_an_image():
    image, text = (onnx.load(DEMO / f"{tower}.onnx").graph for tower in ("image", "text"))
    assert Structure(image).before_projection() == ["/tower/join/Gemm"]
    assert Structure(text).before_projection() == []
    quantised = onnx.load(DEMO / "image.int8.onnx").graph
    joins = [
        node for node in quantised.node if node.name.startswith("/tower/join/Gemm") and node.op_type == "Gemm"
    ]
    unpacked = {name for node in quantised.node if node.op_type == "DequantizeLinear" for name in node.output}
    assert joins and not any(unpacked.intersection(node.input[1:]) for node in joins)
