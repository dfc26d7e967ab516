"""bundle.json: what the server has to know, and where the bundle comes from."""

import datetime
import os
import subprocess
from pathlib import Path

import torch

from clip_in_training.export.graph import OPSET
from clip_in_training.recipe import Recipe
from clip_in_training.tokenizer.encode import END_ID, PAD_ID, START_ID

FORMAT_VERSION = 1
GOLDEN_TOLERANCE = 1e-5


def manifest(recipe: Recipe, grid: int, logit_scale: float, provenance: dict) -> dict:
    """The manifest without variants and checksums, which are added when the files are there."""
    size = recipe.data.image_size
    return {
        "format_version": FORMAT_VERSION,
        "name": recipe.name,
        "description": recipe.description,
        "embedding_dim": recipe.embedding_dim,
        "image": {
            "size": [size, size],
            "mean": recipe.image_tower.mean,
            "std": recipe.image_tower.std,
            "resize_mode": "shortest",
            "interpolation": "bicubic",
            "fill_color": 0,
            "exif_orientation": False,
            "input": {"name": "pixels", "layout": "NHWC", "type": "uint8"},
            "output": "embedding",
            "patch_output": "patch_embeddings",
            "patch_grid": [grid, grid],
        },
        "text": {
            "context_length": recipe.text_tower.context_length,
            "sot_id": START_ID,
            "eot_id": END_ID,
            "pad_id": PAD_ID,
            "pad_to": "longest",
            "cleaning": "none",
            "positions": "rope",
            "input": {"name": "token_ids", "type": "int64"},
            "output": "embedding",
        },
        "similarity": {"kind": "softmax", "logit_scale": logit_scale, "logit_bias": 0.0},
        "tokenizer": "tokenizer.json",
        "golden": "golden/golden.json",
        "samples": "samples/samples.json",
        "provenance": provenance,
    }


def provenance(recipe_name: str, recipe_text: str, data_fingerprint: str, clock: dict[str, float]) -> dict:
    """What is needed to make the bundle again, without its benchmarks. `clock` is a checkpoint's."""
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


def created() -> str:
    """Now in UTC, or SOURCE_DATE_EPOCH if that is set (reproducible builds)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.datetime.fromtimestamp(
        int(epoch) if epoch else int(datetime.datetime.now().timestamp()), datetime.timezone.utc
    )
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def code_revision() -> str:
    """The git revision of this package, "+changes" if it was edited since; "unknown" outside a checkout."""
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
