"""bundle.json: the information that the server needs, and the origin of the bundle."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from clip_in_training.common.created import created
from clip_in_training.export.graph import OPSET

FORMAT_VERSION = 1
GOLDEN_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Interface:
    """The information about a dual encoder that the server needs, beside the fields that all exports share."""

    name: str
    description: str
    embedding_dim: int
    image_size: int
    mean: Sequence[float]
    std: Sequence[float]
    patch_grid: int | None
    """Number of rows (and columns) of patch vectors; None if the image graph has no such output."""
    context_length: int
    start_id: int | None
    """None if texts have no start token (SigLIP)."""
    end_id: int
    pad_id: int
    positions: str
    """"rope" or "absolute"."""
    logit_scale: float
    samples: str | None = None
    """The list of sample images, relative to the bundle."""
    resize_mode: str = "shortest"
    interpolation: str = "bicubic"
    fill_color: int = 0
    pad_to: str = "longest"
    """"longest" or "context_length"."""
    similarity: str = "softmax"
    """"softmax" or "sigmoid"."""
    logit_bias: float = 0.0


def manifest(interface: Interface, provenance: dict) -> dict:
    """The manifest without variants and checksums, which are added once the files exist."""
    grid = interface.patch_grid
    return {
        "format_version": FORMAT_VERSION,
        "name": interface.name,
        "description": interface.description,
        "embedding_dim": interface.embedding_dim,
        "image": {
            "size": [interface.image_size, interface.image_size],
            "mean": interface.mean,
            "std": interface.std,
            "resize_mode": interface.resize_mode,
            "interpolation": interface.interpolation,
            "fill_color": interface.fill_color,
            "exif_orientation": False,
            "input": {"name": "pixels", "layout": "NHWC", "type": "uint8"},
            "output": "embedding",
            "patch_output": "patch_embeddings" if grid else None,
            "patch_grid": [grid, grid] if grid else None,
        },
        "text": {
            "context_length": interface.context_length,
            "sot_id": interface.start_id,
            "eot_id": interface.end_id,
            "pad_id": interface.pad_id,
            "pad_to": interface.pad_to,
            "cleaning": "none",
            "positions": interface.positions,
            "input": {"name": "token_ids", "type": "int64"},
            "output": "embedding",
        },
        "similarity": {
            "kind": interface.similarity,
            "logit_scale": interface.logit_scale,
            "logit_bias": interface.logit_bias,
        },
        "tokenizer": "tokenizer.json",
        "golden": "golden/golden.json",
        "samples": interface.samples,
        "provenance": provenance,
    }


def fp32_variant(parity: dict, benchmark_delta: float | None) -> dict:
    """The entry of the exported graphs. `benchmark_delta` is None if there is no benchmark."""
    return {
        "precision": "fp32",
        "image": "image.onnx",
        "text": "text.onnx",
        "parity": parity,
        "benchmark_delta": benchmark_delta,
        "golden_tolerance": GOLDEN_TOLERANCE,
    }


def provenance(recipe_name: str, recipe_text: str, data_fingerprint: str, clock: dict[str, float]) -> dict:
    """Everything needed to make the bundle again, without its benchmarks. `clock` comes from a checkpoint."""
    return {
        "recipe": recipe_name,
        "recipe_text": recipe_text,
        "data_fingerprint": data_fingerprint,
        "code_revision": code_revision(),
        "created": created(),
        "opset": OPSET,
        "torch": torch.__version__,
        "training_seconds": round(clock["wall"], 1),
        "training_cpu_seconds": round(clock["cpu"], 1),
    }


def code_revision() -> str:
    """The git revision of this package, with "+changes" if it has local changes; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parents[1]
    try:
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--", "."], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision.stdout.strip() + ("+changes" if changes.stdout.strip() else "")
