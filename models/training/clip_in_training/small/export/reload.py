"""Reads `clip-in-small` back from its bundle, without the packages that it was made from."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.text_backbone import text_rules
from clip_in_training.scratch.model.bundle import refuse_adapted
from clip_in_training.small.lite0 import Lite0
from clip_in_training.small.model.backbone import Heads, SmallBackbone
from clip_in_training.small.recipe import SmallRecipe, parse_small_recipe
from clip_in_training.small.text.encoder import Encoder, Shape

SHAPE = "text_shape"
"""In the manifest's provenance: the sizes of the text encoder. No other bundle has it."""


def reload_small(folder: Path, manifest: dict) -> tuple[SmallBackbone, SmallRecipe]:
    """The model of a bundle, in evaluation mode, and its recipe. Raises `BackboneError` if its files do not fit."""
    refuse_adapted(folder, manifest)
    source = manifest["provenance"]
    recipe = parse_small_recipe(source["recipe_text"], source["recipe"])
    try:
        encoder = Encoder(Shape(**source[SHAPE]))
        rules = text_rules(
            Tokenizer.from_file(str(folder / manifest["tokenizer"])), recipe.heads.context_length
        )
        model = SmallBackbone(Lite0(), encoder, Heads(recipe, encoder.shape.width), rules, recipe)
        stored = load_file(folder / "model.safetensors")
        floats = {name: t.float() if t.dtype == torch.float16 else t for name, t in stored.items()}
        model.load_state_dict(floats)
    except (OSError, KeyError, TypeError, RuntimeError) as error:
        raise BackboneError(
            f"{folder} is no bundle of clip-in-small as this version writes it ({error}): export it again"
        ) from error
    return model.eval(), recipe
