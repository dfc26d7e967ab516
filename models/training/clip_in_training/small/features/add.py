"""Adds features.onnx to an existing bundle: exports, measures, updates the documents."""

import json
import os
import tempfile
from pathlib import Path

from clip_in_training.common.errors import ExportError
from clip_in_training.common.whole_file import replacing
from clip_in_training.export.card_section import put_section
from clip_in_training.export.files import checksums, write_json
from clip_in_training.scratch.model.bundle import read_manifest
from clip_in_training.small.features.golden import TOLERANCE, golden_features
from clip_in_training.small.features.graph import INPUT, STRIDES, FeatureGraph, export_features
from clip_in_training.small.features.parity import feature_parity
from clip_in_training.small.lite0 import CHANNELS
from clip_in_training.small.lite0_weights import LICENSE, SOURCE, pretrained

GRAPH, GOLDEN = "features.onnx", "golden/features.json"
SIZE = 448
"""Default height and width. Small defects need it: at 256 many of them are not seen."""
LARGEST = 1024
BEGIN, END = "<!-- features: written by code -->", "<!-- end of features -->"


def add_features(folder: Path, size: int = SIZE, strides: tuple[int, ...] = STRIDES) -> dict:
    """Writes features.onnx and its golden values into a bundle, and updates manifest, card and checksums.

    Replaces a graph that exists already. Returns the manifest. Raises `ExportError` if size or strides are not
    possible or the graph disagrees with PyTorch, and `BackboneError` if the weights are not installed; the bundle is
    unchanged then.
    """
    check(size, strides)
    manifest = read_manifest(folder)
    graph = FeatureGraph(pretrained(), strides).eval()
    known = json.loads((folder / manifest["golden"]).read_text(encoding="utf-8"))
    golden = golden_features(graph, folder, manifest, known, size)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        path = Path(work) / GRAPH
        export_features(graph, path)
        parity = feature_parity(graph, path, size)
        with replacing(folder / GRAPH) as partial:
            os.replace(path, partial)
    (folder / GOLDEN).parent.mkdir(exist_ok=True)
    write_json(folder / GOLDEN, golden)
    manifest["features"] = {
        "graph": GRAPH,
        "input": {"name": INPUT, "layout": "NHWC", "type": "uint8"},
        "size": [size, size],
        "outputs": graph.outputs(),
        "parity": parity,
        "golden": GOLDEN,
        "golden_tolerance": TOLERANCE,
        "source": SOURCE,
        "license": LICENSE,
    }
    if (folder / "model-card.md").exists():
        put_section(folder, BEGIN, END, "## Features for inspection", section(manifest["features"]))
    manifest["files"] = checksums(folder)
    write_json(folder / "bundle.json", manifest)
    return manifest


def check(size: int, strides: tuple[int, ...]) -> None:
    """Raises `ExportError` for strides that the tower does not have, or a size that they do not divide."""
    unknown = [str(stride) for stride in strides if stride not in CHANNELS]
    if unknown or not strides:
        raise ExportError(
            f"unknown stride {', '.join(unknown) or 'list'}; known: {', '.join(map(str, CHANNELS))}"
        )
    deepest = max(strides)
    if size % deepest or not 4 * deepest <= size <= LARGEST:
        raise ExportError(
            f"the size must be a multiple of {deepest}, the largest stride, "
            f"from {4 * deepest} to {LARGEST}; it is {size}"
        )


def section(features: dict) -> str:
    """The section of the model card, between its two markers."""
    height, width = features["size"]
    lines = [
        f"`{features['graph']}` gives maps of a frozen, pre-trained tower, for inspection: {features['source']} "
        f"({features['license']}). It is not a part of the encoders. Input: {height} x {width} pixels by default.",
        "",
        "| output | stride | channels | largest relative distance to PyTorch | largest difference of a number |",
        "|---|---|---|---|---|",
    ]
    for output in features["outputs"]:
        off = features["parity"][output["name"]]
        lines.append(
            f"| `{output['name']}` | {output['stride']} | {output['channels']} "
            f"| {off['worst']:.1e} | {off['max_abs']:.1e} |"
        )
    return "\n".join([BEGIN, *lines, END])
