"""Reference bundles at toy size: CLIP's tokenizer, open_clip's numbers, and padding that changes nothing."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from clip_in_training.cli import main
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums
from clip_in_training.export.golden import TEXTS
from clip_in_training.export.inputs import scenes
from clip_in_training.export.reference.clip_tokenizer import SPECIAL, clip_tokenizer
from clip_in_training.export.reload import reload_backbone
from clip_in_training.scratch.model.bundle import read_manifest
from clip_in_training.scratch.scenes.generate import edit_pair, stream
from clip_in_training.scratch.tokenizer.encode import TextEncoder

CONFIG = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}

ORDINARY = [
    "A photo of a cat.",
    "two dogs, three cats & 14 birds",
    "It's the dog's ball; they've thrown it, haven't they?",
    "I'D SAY YOU'LL LIKE IT, WE'RE SURE",
    'a 3/4" bolt -- size M6x20 (DIN 912)!!!',
    "e-mail: someone@example.com, https://example.com/a?b=c#d",
    "naïve café, Zürich, Ångström, señor",
    "cafe\u0301 with a combining accent",
    "русский текст и ελληνικά",
    "螺丝和螺母 日本語 한국어",
    "🔩🔧 tools 👩‍🔧",
    "  spaces\tand\n\nnew lines  ",
    "under_score CamelCase x+y=z 100% $5.99 #tag",
    "...?!? ''quoted'' \"text\" `code`",
    "",
    "antidisestablishmentarianism supercalifragilisticexpialidocious",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    (folder / "toy-reference.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "toy-reference.json")
    assert (
        main(["reference", "--architecture", "toy-reference", "--seed", "3", "--out", str(folder / "out")])
        == 0
    )
    return folder / "out"


def opened(bundle):
    model = reload_backbone(bundle, read_manifest(bundle))
    return model, Graphs(bundle / "image.onnx", bundle / "text.onnx", model.text_rules, threads=1)


def test_the_ids_are_those_of_open_clip():
    pairs = [edit_pair("text", stream(5, "test", "text", index), 64) for index in range(46)]
    captions = [
        text
        for pair in pairs
        for side in (pair.source, pair.target)
        for text in (side.caption, side.caption_long)
    ]
    texts = [*ORDINARY, *captions, "a long text, " * 40]
    assert len(texts) > 200
    tokenize = TextEncoder(clip_tokenizer(), 77, SPECIAL)
    expected = open_clip.tokenize(texts)
    for text, row in zip(texts, expected, strict=True):
        ids = tokenize.ids(text)
        assert ids == row[: len(ids)].tolist() and not row[len(ids) :].any(), text


def test_special_tokens_in_a_text_are_plain_characters():
    tokenize = TextEncoder(clip_tokenizer(), 77, SPECIAL)
    inner = tokenize.ids("the word <|endoftext|> and <|startoftext|>")[1:-1]
    assert not {SPECIAL.start, SPECIAL.end} & set(inner)


def test_padding_to_the_longest_gives_what_open_clip_gives_at_full_length(bundle):
    model, graphs = opened(bundle)
    texts = [*ORDINARY, *TEXTS]
    with torch.inference_mode():
        expected = model.clip.encode_text(open_clip.tokenize(ORDINARY), normalize=True).numpy()
    np.testing.assert_allclose(graphs.encode_texts(texts, 40)[: len(ORDINARY)], expected, atol=1e-5)
    alone = graphs.encode_texts(texts, 1)
    full = np.zeros((len(texts), 77), np.int64)
    for row, text in zip(full, texts, strict=True):
        ids = model.text_rules.ids(text)
        row[: len(ids)] = ids
    (padded,) = graphs.text.run(["embedding"], {"token_ids": full})
    np.testing.assert_allclose(alone, padded, atol=1e-5)


def test_any_batch_gives_the_same_image_vectors(bundle):
    model, graphs = opened(bundle)
    pixels, _ = scenes(64)
    with torch.inference_mode():
        expected = model.encode_image(torch.from_numpy(pixels)).numpy()
    for batch in (1, 2, 5, 16, 33):
        np.testing.assert_allclose(graphs.encode_images(pixels, batch), expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=-1), 1, atol=1e-5)


def test_the_bundle_is_complete_and_says_that_its_weights_are_random(bundle):
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    assert manifest["files"] == checksums(bundle)
    assert manifest["image"]["patch_output"] is None
    assert manifest["provenance"]["weights"] == "random"
    assert manifest["variants"][0]["parity"]["text"]["max_abs"] <= 1e-4
    assert "weights are random" in (bundle / "model-card.md").read_text(encoding="utf-8")


def test_the_server_verifies_it(bundle):
    binary = os.environ.get("CLIP_IN_BINARY")
    if not binary:
        pytest.skip("CLIP_IN_BINARY is not the path of clip-in")
    root = Path(__file__).resolve().parents[3]
    environment = {"ORT_DYLIB_PATH": str(root / ".cache/onnxruntime/libonnxruntime.so"), **os.environ}
    subprocess.run([Path(binary).resolve(), "model", "verify", bundle], env=environment, check=True)


def test_an_unknown_architecture_is_refused(bundle, tmp_path, capsys):
    assert main(["reference", "--architecture", "no-such-net", "--out", str(tmp_path / "out")]) == 1
    assert "ViT-B-32" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
