"""Writes a bundle of an open_clip architecture with random weights, and loads it back as a PyTorch model."""

import json
from pathlib import Path

import numpy as np
import open_clip
import torch

from clip_in_training.errors import ExportError
from clip_in_training.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums, whole_or_not_at_all, write_json
from clip_in_training.export.golden import TEXTS, write_golden
from clip_in_training.export.graph import OPSET, export_graph
from clip_in_training.export.manifest import Interface, code_revision, created, fp32_variant, manifest
from clip_in_training.export.parity import checks, measure_parity
from clip_in_training.model.bundle import read_manifest
from clip_in_training.model.preprocess import preprocessing
from clip_in_training.reference.architecture import ReferenceModel, build
from clip_in_training.reference.card import write_card
from clip_in_training.reference.clip_tokenizer import SPECIAL, clip_tokenizer
from clip_in_training.reference.graphs import ImageGraph, TextGraph
from clip_in_training.scenes.generate import edit_pair, stream
from clip_in_training.tokenizer.encode import load_tokenizer
from clip_in_training.tokenizer.training import save_tokenizer

SCENE_SEED = 30_000
ROWS = 33
"""One more than the largest batch that parity runs."""


def write_reference(architecture: str, seed: int, out: Path) -> dict:
    """Writes the bundle to `out`, replacing what is there, and returns its manifest.

    Raises `ExportError` if the architecture is not supported or a graph disagrees with open_clip; `out` is
    untouched then.
    """
    model = build(architecture, seed)
    with whole_or_not_at_all(out) as folder:
        save_tokenizer(clip_tokenizer(), folder / "tokenizer.json")
        tokenize = load_tokenizer(folder / "tokenizer.json", model.context_length, SPECIAL)
        _export(model, folder)
        graphs = Graphs(folder / "image.onnx", folder / "text.onnx", tokenize)
        parity = measure_parity(checks(model, tokenize, *inputs(model.size)), graphs)
        write_golden(model, preprocessing(model.size), tokenize, folder, SCENE_SEED)
        content = manifest(_interface(model, architecture), _provenance(architecture, seed))
        content["variants"] = [fp32_variant(parity, benchmark_delta=None)]
        write_card(folder, content)
        content["files"] = checksums(folder)
        write_json(folder / "bundle.json", content)
    return content


def load_reference(folder: Path):
    """The model, its preprocessing and its tokenizer, as `model.load_bundle` gives them for a trained bundle.

    The weights are not stored: they are drawn again. Raises `ExportError` if this version of PyTorch or
    open_clip draws others than those of the bundle's golden vectors.
    """
    content = read_manifest(folder)
    source = content["provenance"]
    model = build(source["architecture"], source["seed"])
    tokenize = load_tokenizer(folder / content["tokenizer"], model.context_length, SPECIAL)
    golden = json.loads((folder / content["golden"]).read_text(encoding="utf-8"))["texts"][0]
    with torch.inference_mode():
        vector = model.encode_text(tokenize([golden["text"]]))[0].numpy()
    if not np.allclose(vector, golden["embedding"], atol=1e-4):
        raise ExportError(
            f"seed {source['seed']} gave other weights in torch {source['torch']} and open_clip "
            f"{source['open_clip']}, which {folder} was written with; write the reference again"
        )
    return model, preprocessing(model.size), tokenize


def inputs(size: int, split: str = "test") -> tuple[np.ndarray, list[str]]:
    """Drawn scenes, uint8 [rows, size, size, 3], and texts to compare runtimes on; others for each split."""
    pairs = [edit_pair("color", stream(SCENE_SEED, split, "color", index), size) for index in range(ROWS)]
    pixels = np.stack([np.asarray(pair.source.image.convert("RGB")) for pair in pairs])
    captions = [text for pair in pairs for text in (pair.source.caption, pair.source.caption_long)]
    return pixels, [*captions[: ROWS - len(TEXTS)], *TEXTS]


def _export(model: ReferenceModel, folder: Path) -> None:
    pixels = torch.zeros(2, model.size, model.size, 3, dtype=torch.uint8)
    export_graph(ImageGraph(model), pixels, folder / "image.onnx", "pixels", {0: "batch"}, ["embedding"])
    token_ids = torch.full((2, 12), SPECIAL.end, dtype=torch.int64)
    axes = {0: "batch", 1: "length"}
    export_graph(TextGraph(model), token_ids, folder / "text.onnx", "token_ids", axes, ["embedding"])


def _interface(model: ReferenceModel, architecture: str) -> Interface:
    return Interface(
        name=f"{architecture.lower()}-random",
        description=f"open_clip's {architecture} with random weights, to measure speed with",
        embedding_dim=model.embedding_dim,
        image_size=model.size,
        mean=model.mean,
        std=model.std,
        patch_grid=None,
        context_length=model.context_length,
        start_id=SPECIAL.start,
        end_id=SPECIAL.end,
        pad_id=SPECIAL.pad,
        positions="absolute",
        logit_scale=model.scale().item(),
    )


def _provenance(architecture: str, seed: int) -> dict:
    """What `load_reference` needs to draw the weights again."""
    return {
        "architecture": architecture,
        "weights": "random",
        "seed": seed,
        "code_revision": code_revision(),
        "created": created(),
        "opset": OPSET,
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
    }
