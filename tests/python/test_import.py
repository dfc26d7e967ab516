"""Imported models against transformers: published layouts, real photographs, unusual texts. Narrow layers by default;
the published sizes are marked `full_size`.

CLIP is imported from a folder, SigLIP from a Hub (a small local one).
"""

import gc
import importlib.util
import io
import json
import math
import shutil
import subprocess
import urllib.request
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import AutoImageProcessor, AutoTokenizer

from tests.python import hub_layout
from tests.python.conftest import environment, server_binary, serving
from tests.python.hub_server import COMMIT, hub
from tests.python.test_parity import ask, cosines

COSINE = 0.9999
PHOTOGRAPHS = [
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
]
SPECIAL = ["<|startoftext|>", "<|endoftext|>", "</s>", "<pad>", "<unk>"]
TEXTS = [
    "a photo of a cat",
    "A Photo of a CAT.",
    "",
    "   spaces \t and\nlines  ",
    "ein grüner Becher, ganz links; naïve café ﬁne Ｆｕｌｌ ½ Straße İ",
    "一个红色的螺栓 русский текст और हिन्दी",
    "cafe\u0301 with a combining accent",
    "a plate 🔩🔧 👩‍🔧",
    "it's the dog's ball; they've thrown it & <b>bold</b> &amp; N/A",
    "word " * 300,
    "ünïcödé " * 80,
]


def photographs() -> list[bytes]:
    """Photographs of scikit-image, as on disk; and one whose crop cannot be centred exactly."""
    folder = Path(importlib.util.find_spec("skimage").submodule_search_locations[0]) / "data"
    files = [(folder / name).read_bytes() for name in PHOTOGRAPHS]
    cut = io.BytesIO()
    # 227 x 224 once resized: three columns are dropped, one or two of them on the left.
    Image.open(folder / "astronaut.png").crop((20, 30, 474, 478)).save(cut, "PNG")
    return [*files, cut.getvalue()]


def spelled_otherwise(folder: Path) -> Tokenizer:
    """The layout's tokenizer with names for the special tokens that no text contains."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["added_tokens"] = []
    content["post_processor"] = None
    vocabulary = content["model"]["vocab"]
    if content["model"]["type"] == "Unigram":
        for piece in vocabulary:
            if piece[0] in SPECIAL:
                piece[0] = f"\ue000{piece[0]}"
    return Tokenizer.from_str(json.dumps(content))


def model_import(source: str, out: Path, *arguments: str, **variables: str) -> None:
    command = [server_binary(), "model", "import", source, "--out", out, *arguments]
    subprocess.run(command, env=environment() | variables, check=True)


def reference(folder: Path, model, pad: dict) -> SimpleNamespace:
    """The results of transformers; the model is not kept in memory."""
    processor, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    pictures = [Image.open(io.BytesIO(file)) for file in photographs()]
    pixels = processor(pictures, return_tensors="pt")
    texts = tokenizer(TEXTS, return_tensors="pt", truncation=True, **pad)
    if pad["padding"] == "max_length":
        del texts["attention_mask"]
    plain = spelled_otherwise(folder)
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    rows = []
    for text in special_texts():
        ids = [*start, *plain.encode(text).ids, tokenizer.eos_token_id]
        rows.append(ids + [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(ids)))
    with torch.inference_mode():
        return SimpleNamespace(
            images=model.get_image_features(**pixels).pooler_output,
            texts=model.get_text_features(**texts).pooler_output,
            literals=model.get_text_features(torch.tensor(rows)).pooler_output,
        )


def special_texts() -> list[str]:
    return [f"a {token} in the middle" for token in SPECIAL] + SPECIAL


FULL_SIZE = [
    pytest.param(f"{family}, full size", marks=pytest.mark.full_size) for family in ("clip", "siglip")
]


@pytest.fixture(scope="module", params=["clip", "siglip", *FULL_SIZE])
def imported(request, tmp_path_factory):
    """A layout, transformers' embeddings for it, and a server with the imported bundle."""
    family, _, full = request.param.partition(", ")
    base = tmp_path_factory.mktemp(family)
    layout, bundle = base / "Random Model", base / "bundle"
    layout.mkdir()
    if family == "clip":
        model = hub_layout.write_clip(layout, None if full else hub_layout.small_clip())
        expected = reference(layout, model, {"padding": True})
        model_import(str(layout), bundle)
        similarity = ("softmax", 100.0, 0.0)
    else:
        model = hub_layout.write_siglip(layout, None if full else hub_layout.small_siglip())
        expected = reference(layout, model, {"padding": "max_length"})
        with hub(layout, "some/siglip", "refs%2Fpr%2F1", "secret") as (address, asked):
            variables = {"HF_ENDPOINT": address, "HF_TOKEN": "secret"}
            model_import("hf:some/siglip", bundle, "--revision", "refs/pr/1", **variables)
        assert asked[0].startswith("/some/siglip/resolve/refs%2Fpr%2F1/")
        assert all(f"/resolve/{COMMIT}/" in path for path in asked[1:])
        scale, bias = hub_layout.SIGLIP_SCALE, hub_layout.SIGLIP_BIAS
        similarity = ("sigmoid", math.exp(scale), bias)
    del model
    gc.collect()
    shutil.rmtree(layout)
    try:
        with serving(bundle, "--workers", "1") as url:
            manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
            yield SimpleNamespace(
                url=url,
                expected=expected,
                similarity=similarity,
                manifest=manifest,
                family=family,
                bundle=bundle,
            )
    finally:
        shutil.rmtree(bundle, ignore_errors=True)


def agree(found: np.ndarray, expected: torch.Tensor, names: list[str]) -> None:
    agreement = cosines(found, expected)
    worst = int(agreement.argmin())
    print(f"worst cosine {agreement.min():.7f} ({names[worst][:40]!r})")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert agreement.min() >= COSINE, f"{names[worst]!r}: {agreement[worst]}"


def test_images_agree_with_transformers(imported):
    items = [{"image": b64encode(file).decode()} for file in photographs()]
    found = ask(imported.url, items)
    agree(found, imported.expected.images, [*PHOTOGRAPHS, "cut"])
    others = (found @ found.T)[~np.eye(len(found), dtype=bool)]
    assert others.max() < COSINE, "random weights tell the pictures apart"


def test_texts_agree_with_transformers(imported):
    agree(ask(imported.url, [{"text": text} for text in TEXTS]), imported.expected.texts, TEXTS)


def test_special_tokens_in_a_text_are_plain_characters(imported):
    texts = special_texts()
    agree(ask(imported.url, [{"text": text} for text in texts]), imported.expected.literals, texts)


def test_scores_follow_the_family(imported):
    kind, scale, bias = imported.similarity
    texts = ["a photo of a cat", "a red bolt"]
    image = b64encode(photographs()[2]).decode()
    body = json.dumps({"images": [image], "texts": texts}).encode()
    request = urllib.request.Request(
        f"{imported.url}/v1/similarity", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    logits = scale * np.array(answer["scores"][0]) + bias
    np.testing.assert_allclose(answer["logits"][0], logits, rtol=1e-4)
    powers = np.exp(logits)
    expected = powers / powers.sum() if kind == "softmax" else powers / (1 + powers)
    np.testing.assert_allclose(answer["probabilities"][0], expected, rtol=1e-3)


def test_golden_embeddings_detect_another_preprocessing(imported):
    file = imported.bundle / "bundle.json"
    original, changed = file.read_text(encoding="utf-8"), json.loads(json.dumps(imported.manifest))
    if imported.family == "clip":
        changed["image"]["crop_rounding"] = "half_even"
    else:
        changed["text"]["pad_id"] = 0
    file.write_text(json.dumps(changed), encoding="utf-8")
    try:
        command = [server_binary(), "model", "verify", imported.bundle]
        result = subprocess.run(command, env=environment(), capture_output=True, text=True)
    finally:
        file.write_text(original, encoding="utf-8")
    assert result.returncode == 1 and "golden check" in result.stderr, result.stderr


def test_the_manifest_names_its_source(imported):
    source = imported.manifest["provenance"]
    assert "running the graphs" in source["golden"]
    if imported.family == "clip":
        assert (imported.manifest["name"], source["source"]) == ("random-model", "folder Random Model")
        assert imported.manifest["text"]["input"]["attention_mask"] == "attention_mask"
    else:
        assert (imported.manifest["name"], source["source"]) == ("siglip", "hf:some/siglip")
        assert (source["revision"], source["commit"]) == ("refs/pr/1", COMMIT)
        assert "model.safetensors" in source["similarity"]
