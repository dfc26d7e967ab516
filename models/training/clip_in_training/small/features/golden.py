"""Golden values of features: sampled numbers of a few images, with PyTorch's results. The server checks them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clip_in_training.common.errors import ExportError
from clip_in_training.finetune.backbone.backbone import ImageRules
from clip_in_training.finetune.backbone.images import Preprocess
from clip_in_training.small.features.graph import FeatureGraph

IMAGES = 3
SAMPLES = 64
"""Numbers of each output of an image; the first and the last one are at opposite corners."""
TOLERANCE = 1e-4
"""Largest relative distance of the sampled numbers; other processors round differently."""


def golden_features(graph: FeatureGraph, folder: Path, manifest: dict, golden: dict, size: int) -> dict:
    """Sampled features of the bundle's golden images at `size`, and of the last one at half of it.

    `golden` is the content of the bundle's golden.json. Raises `ExportError` if no image can be resized
    here exactly as the server does.
    """
    files = _files(folder, manifest, golden)
    half = max(size // 2 // graph.strides[-1], 1) * graph.strides[-1]
    sizes = [size] * (len(files) - 1) + [half]
    return {"images": [_entry(graph, folder, manifest, *job) for job in zip(files, sizes, strict=True)]}


def _entry(graph: FeatureGraph, folder: Path, manifest: dict, file: str, size: int) -> dict:
    rules = manifest["image"]
    preprocess = Preprocess(
        ImageRules(
            size,
            tuple(rules["mean"]),
            tuple(rules["std"]),
            rules["interpolation"],
            rules["resize_mode"],
            rules["fill_color"],
        )
    )
    with Image.open(folder / file) as image, torch.inference_mode():
        maps = graph(preprocess(image)[None])
    outputs = {}
    for output, found in zip(graph.outputs(), maps, strict=True):
        values = found.flatten()
        indices = np.linspace(0, len(values) - 1, SAMPLES).astype(int).tolist()
        outputs[output["name"]] = {"indices": indices, "values": values[indices].tolist()}
    return {"file": file, "size": [size, size], "outputs": outputs}


def _files(folder: Path, manifest: dict, golden: dict) -> list[str]:
    """Names of golden images, square ones first: they need no crop.

    transformers begins a crop elsewhere than torchvision does if an odd number of pixels is dropped
    (`crop_rounding`). Of such a bundle only square images are taken.
    """
    square: list[str] = []
    others: list[str] = []
    for entry in golden["images"]:
        with Image.open(folder / entry["file"]) as image:
            (square if image.width == image.height else others).append(entry["file"])
    exact = manifest["image"].get("crop_rounding", "half_even") == "half_even"
    files = (square + others if exact else square)[:IMAGES]
    if not files:
        raise ExportError(
            f"{folder} has no square golden image, and its crop_rounding is not torchvision's: the golden values of "
            "features cannot be computed"
        )
    return files
