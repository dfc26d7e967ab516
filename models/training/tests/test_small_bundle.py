"""The committed clip-in-small is complete, small, and the same model in both runtimes."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clip_in_training.export.evaluate.graphs import bundle_graphs
from clip_in_training.export.files import checksums
from clip_in_training.small.export.reload import reload_small

SMALL = Path(__file__).resolve().parents[2] / "clip-in-small"
MANIFEST = json.loads((SMALL / "bundle.json").read_text(encoding="utf-8"))


def test_every_file_has_the_checksum_of_the_manifest():
    assert MANIFEST["files"] == checksums(SMALL)
    assert sum(path.stat().st_size for path in SMALL.rglob("*")) < 96e6
    assert "Apache-2.0" in (SMALL / "NOTICE").read_text(encoding="utf-8")


def test_graphs_and_weights_are_the_golden_model():
    model, _ = reload_small(SMALL, MANIFEST)
    graphs = bundle_graphs(SMALL, MANIFEST)
    golden = json.loads((SMALL / MANIFEST["golden"]).read_text(encoding="utf-8"))
    for entry in golden["images"]:
        pixels = model.preprocess(Image.open(SMALL / entry["file"]))[None]
        with torch.inference_mode():
            expected = model.encode_image(pixels)[0].numpy()
        np.testing.assert_allclose(expected, entry["embedding"], atol=1e-5)
        np.testing.assert_allclose(graphs.encode_images(pixels.numpy())[0], expected, atol=1e-4)
    for entry in golden["texts"]:
        ids = torch.tensor([model.text_rules.ids(entry["text"])])
        with torch.inference_mode():
            expected = model.encode_text(ids)[0].numpy()
        np.testing.assert_allclose(expected, entry["embedding"], atol=1e-5)
        np.testing.assert_allclose(graphs.encode_texts([entry["text"]])[0], expected, atol=1e-4)
    assert golden["images"] and golden["texts"]
