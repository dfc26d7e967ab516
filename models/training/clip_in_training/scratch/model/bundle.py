"""Loads a bundle as a PyTorch model: the reference for the served graphs, and a start for fine-tuning."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from clip_in_training.common.errors import BackboneError
from clip_in_training.scratch.model.dual_encoder import DualEncoder
from clip_in_training.scratch.model.preprocess import preprocessing
from clip_in_training.scratch.recipe import kept_recipe
from clip_in_training.scratch.tokenizer.encode import TextEncoder, load_tokenizer

Preprocess = Callable[[Image.Image], Tensor]


def load_bundle(directory: str | Path) -> tuple[DualEncoder, Preprocess, TextEncoder]:
    """Loads the model that a bundle's graphs were exported from.

    Returns the model (fp32, in evaluation mode), `preprocess` (a PIL image to uint8 [size, size, 3]; stack
    them to a batch) and `tokenize` (texts to int64 [batch, length], padded to the longest).

        model, preprocess, tokenize = load_bundle("models/demo")
        images = model.encode_image(torch.stack([preprocess(image)]))
        texts = model.encode_text(tokenize(["a red mug", "a blue mug"]))
        logits = model.scale() * images @ texts.T

    Raises FileNotFoundError if a file is missing, RuntimeError if the weights do not fit the recipe in the
    manifest, and `BackboneError` if they are not those of the graphs.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    refuse_adapted(directory, manifest)
    recipe = kept_recipe(manifest)
    tokenize = load_tokenizer(directory / manifest["tokenizer"], manifest["text"]["context_length"])
    weights = load_file(directory / "model.safetensors")
    model = DualEncoder(recipe, tokenize.vocabulary_size)
    model.load_state_dict(
        {name: w.to(torch.float32) if w.is_floating_point() else w for name, w in weights.items()}
    )
    return model.eval(), preprocessing(recipe.data.image_size), tokenize


def refuse_adapted(directory: Path, manifest: dict) -> None:
    """Raises `BackboneError` if `adapt` made the bundle: its weights are those from before the adaptation."""
    adapted = manifest.get("provenance", {}).get("adapted")
    if adapted and any(each.get("way") != "lora" for each in adapted):
        raise BackboneError(
            f"{directory} was adapted, and its model.safetensors holds the weights from before: take the bundle that "
            f"it was adapted from ({adapted[0]['from']['name']}), and adapt the result to the same pairs again"
        )


def read_manifest(directory: Path) -> dict:
    """A bundle's bundle.json. Raises FileNotFoundError if there is none."""
    return json.loads((directory / "bundle.json").read_text(encoding="utf-8"))
