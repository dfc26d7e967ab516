"""A backbone by the name that a recipe gives it."""

import logging
import pickle
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.factory import get_model_config
from torch import nn

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import Backbone, ImageRules
from clip_in_training.finetune.backbone.bundle_backbone import changed_bundle_backbone, load_bundle_backbone
from clip_in_training.finetune.backbone.compute import checkpoint_activations
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.backbone.pretrained import Resolved, resolve
from clip_in_training.finetune.backbone.rope import with_rope
from clip_in_training.finetune.backbone.stretch import with_context
from clip_in_training.finetune.backbone.text_backbone import load_text_backbone
from clip_in_training.finetune.backbone.tokenizers import text_rules_of
from clip_in_training.finetune.recipe import BackboneRecipe

BUNDLE, TEXT = "bundle:", "text:"


def load_backbone(recipe: BackboneRecipe, seed: int) -> Backbone:
    """The model of `recipe.name` with the weights of `recipe.pretrained`, positions and context as the recipe
    says; in evaluation mode, fp32, on the CPU.

    `seed` decides random weights. With rotary positions the text encoder is the student of stage 1, and
    `load_original` gives its teacher. Raises `BackboneError` if the model cannot be had or does not suit the
    recipe.
    """
    if recipe.context_length < 4:
        raise BackboneError(
            f"backbone.context_length is {recipe.context_length}; it must be at least 4 tokens"
        )
    if recipe.name.startswith(BUNDLE):
        original = load_bundle_backbone(Path(recipe.name.removeprefix(BUNDLE)))
        backbone: Backbone = changed_bundle_backbone(original, recipe.positions, recipe.context_length)
    elif recipe.name.startswith(TEXT):
        backbone = load_text_backbone(Path(recipe.name.removeprefix(TEXT)), recipe.context_length)
    else:
        change = with_rope if recipe.positions == "rope" else with_context
        backbone = change(_open_clip(recipe, seed), recipe.context_length)
    if recipe.gradient_checkpointing:
        checkpoint_activations(backbone)
    return backbone


def load_original(recipe: BackboneRecipe, seed: int) -> Backbone:
    """The model as it was published, with its own positions and context: the teacher of stage 1."""
    if recipe.name.startswith(BUNDLE):
        return load_bundle_backbone(Path(recipe.name.removeprefix(BUNDLE)))
    if recipe.name.startswith(TEXT):
        raise BackboneError(
            f'{recipe.name} is a student without its teacher: give stage 1 the teacher\'s vectors (`kind = "texts"`)'
        )
    return _open_clip(recipe, seed)


def _open_clip(recipe: BackboneRecipe, seed: int) -> OpenClipBackbone:
    """A model of open_clip as it was published."""
    resolved = resolve(recipe.name, recipe.pretrained)
    source = resolved.describe(recipe.name, recipe.pretrained)
    with _readable_errors(source, resolved):
        if "multimodal_cfg" in (get_model_config(recipe.name) or {}):
            raise BackboneError(f"{source} also writes captions (CoCa): only dual encoders can be fine-tuned")
        clip = _create(recipe, resolved, seed)
    with _readable_errors(f"the tokenizer of {source}", replace(resolved, kind="tokenizer")), _silent():
        text_rules = text_rules_of(recipe.name, clip)
    return OpenClipBackbone(clip.eval(), _image_rules(clip, source), text_rules, source)


def _create(recipe: BackboneRecipe, resolved: Resolved, seed: int) -> nn.Module:
    options = {} if resolved.quick_gelu is None else {"quick_gelu": resolved.quick_gelu}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _silent():
        torch.manual_seed(seed)
        warnings.filterwarnings("ignore", message="QuickGELU mismatch")  # It has not seen `options` yet.
        return open_clip.create_model(
            recipe.name,
            recipe.pretrained or None,
            pretrained_text=False,
            force_preprocess_cfg=resolved.preprocess,
            # Without this, open_clip goes on with random weights if those of a Hub model cannot be fetched.
            require_pretrained=resolved.kind != "random",
            **options,
        )


@contextmanager
def _silent():
    """open_clip tells the root logger each of its steps; it and the Hub's client log what they raise."""
    levels = {name: logging.getLogger(name).level for name in (None, "huggingface_hub")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _readable_errors(source: str, resolved: Resolved):
    try:
        yield
    except BackboneError:
        raise
    except Exception as error:
        raise BackboneError(f"cannot load {source}: {_reason(error, resolved)}") from error


def _reason(error: Exception, resolved: Resolved) -> str:
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else type(error).__name__
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return (
            "the checkpoint holds more than tensors, and such a file can run code when it is opened. Save "
            f"its state dict (safetensors, or torch.save of a plain dict) and name that file ({said})"
        )
    if resolved.kind == "file" or "loading state_dict" in str(error):
        return f"the checkpoint is not one of this architecture ({said})"
    if resolved.schema == "local-dir" or resolved.kind == "random":
        return said
    return (
        "it could not be fetched from the Hub. Check the connection (HF_ENDPOINT names a mirror, HF_TOKEN "
        "opens what is not public), or fetch the model on another machine and name its folder, with the "
        "tokenizer's files if it has some, as local-dir:PATH in backbone.name, or a checkpoint file in "
        f"backbone.pretrained ({said})"
    )


def _image_rules(clip: Any, source: str) -> ImageRules:
    config = clip.visual.preprocess_cfg
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise BackboneError(f"{source} takes images of {height}x{width} pixels; only squares are supported")
    return ImageRules(
        size=int(height),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
        resize_mode=config["resize_mode"],
        fill_color=int(config["fill_color"]),
    )
