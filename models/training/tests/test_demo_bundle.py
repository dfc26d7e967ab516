"""The committed demo bundle is complete, small, and the same model in both runtimes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums
from clip_in_training.scratch.model import load_bundle

DEMO = Path(__file__).resolve().parents[2] / "demo"
pytestmark = pytest.mark.skipif(not (DEMO / "bundle.json").is_file(), reason="models/demo is not there")


@pytest.fixture(scope="module")
def manifest():
    return json.loads((DEMO / "bundle.json").read_text(encoding="utf-8"))


def test_every_file_has_the_checksum_of_the_manifest(manifest):
    assert manifest["files"] == checksums(DEMO)
    assert sum(p.stat().st_size for p in DEMO.rglob("*")) < 32e6


def test_graphs_and_weights_are_the_golden_model(manifest):
    model, preprocess, tokenize = load_bundle(DEMO)
    graphs = Graphs(DEMO / "image.onnx", DEMO / "text.onnx", tokenize, threads=1)
    golden = json.loads((DEMO / manifest["golden"]).read_text(encoding="utf-8"))
    for entry in golden["images"]:
        pixels = preprocess(Image.open(DEMO / entry["file"]))[None]
        with torch.inference_mode():
            expected = model.encode_image(pixels)[0].numpy()
        np.testing.assert_allclose(expected, entry["embedding"], atol=1e-5)
        np.testing.assert_allclose(graphs.encode_images(pixels.numpy())[0], expected, atol=1e-4)
    for entry in golden["texts"]:
        with torch.inference_mode():
            expected = model.encode_text(tokenize([entry["text"]]))[0].numpy()
        np.testing.assert_allclose(expected, entry["embedding"], atol=1e-5)
        np.testing.assert_allclose(graphs.encode_texts([entry["text"]])[0], expected, atol=1e-4)
