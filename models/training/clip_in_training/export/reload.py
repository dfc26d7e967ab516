"""Reloads the backbone that a bundle was exported from."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from clip_in_training.common.errors import ExportError
from clip_in_training.export.original import original
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.load import load_backbone, load_original
from clip_in_training.finetune.recipe import BackboneRecipe
from clip_in_training.scratch.model.bundle import refuse_adapted

WEIGHTS = "model.safetensors"
CLOSE = 1e-4
"""Largest allowed difference of a coordinate of the first golden text."""


def reload_backbone(folder: Path, manifest: dict) -> Backbone:
    """Loads the model that the manifest's provenance names: published weights from their source, tuned ones from
    the bundle.

    Raises `BackboneError` if the weights are not available or are not those of the graphs, and `ExportError` if they
    do not give the golden vectors.
    """
    refuse_adapted(folder, manifest)
    source = _source(manifest)
    known = {field.name for field in dataclasses.fields(BackboneRecipe)}
    recipe = BackboneRecipe(**{key: value for key, value in source.items() if key in known})
    if (folder / WEIGHTS).is_file():
        backbone = load_backbone(recipe, source["seed"])
        backbone.load_state_dict(load_file(folder / WEIGHTS))
    else:
        backbone = load_original(recipe, source["seed"])
    _compare(backbone.eval(), folder, manifest)
    return backbone


def _source(manifest: dict) -> dict:
    """Name, tag and seed. A reference bundle stores them under other keys."""
    source = manifest["provenance"]
    if "backbone" in source:
        return source["backbone"]
    return {"name": source["architecture"], "pretrained": "", "seed": source["seed"]}


def _compare(backbone: Backbone, folder: Path, manifest: dict) -> None:
    golden = json.loads((folder / manifest["golden"]).read_text(encoding="utf-8"))["texts"][0]
    with torch.inference_mode():
        vector = original(backbone).encode_text(backbone.text_rules([golden["text"]]))[0].numpy()
    if vector.shape != (len(golden["embedding"]),) or not np.allclose(
        vector, golden["embedding"], atol=CLOSE
    ):
        source = manifest["provenance"]
        raise ExportError(
            f"{_source(manifest)['name']} is no longer the model that {folder} was exported "
            f"from (torch {source['torch']}, open_clip {source['open_clip']}); export it again"
        )
