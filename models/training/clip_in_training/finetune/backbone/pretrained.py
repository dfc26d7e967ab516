"""What a name and a tag of open_clip say about a model besides its weights: activation and image rules.

open_clip 3.3.0 takes the activation from the architecture alone and only warns if the weights were trained
with another: `ViT-L-14` with the tag `openai` would run with GELU, though OpenAI trained with QuickGELU,
and lose accuracy silently. Here the tag decides.
"""

import logging
import os
from dataclasses import dataclass
from typing import Any

from open_clip.factory import get_model_config, list_models, parse_model_name
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

from clip_in_training.common.errors import BackboneError

log = logging.getLogger(__name__)
IMAGE_KEYS = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class Resolved:
    """How open_clip has to build a model."""

    schema: str | None
    """hf-hub | local-dir: a model that brings its own description; None: an architecture of open_clip."""
    kind: str
    """random | tag | file | packaged (hf-hub and local-dir)."""
    quick_gelu: bool | None
    """x * sigmoid(1.702 x) in place of GELU; None: as a packaged model says."""
    preprocess: dict[str, Any]
    """What differs from open_clip's default image rules."""

    def describe(self, name: str, pretrained: str) -> str:
        """In words, for logs and provenance."""
        weights = {"random": "random weights", "packaged": "its own weights"}.get(self.kind, pretrained)
        return f"{name} ({weights})"


def resolve(name: str, pretrained: str) -> Resolved:
    """Reads open_clip's tables; nothing is fetched. Raises `BackboneError` for what it does not know."""
    try:
        schema, identifier = parse_model_name(name)
    except ValueError as error:
        raise BackboneError(f"backbone.name {name!r}: {error}") from error
    if schema:
        if pretrained:
            raise BackboneError(
                f"backbone.name {name!r} has its own weights: leave backbone.pretrained out ({pretrained!r})"
            )
        return Resolved(schema, "packaged", None, {})
    config = get_model_config(identifier.replace("/", "-"))
    if config is None:
        raise BackboneError(
            f"open_clip has no architecture {name!r}; it has {len(list_models())}, e.g. ViT-B-32, "
            "ViT-L-14-336, ViT-SO400M-14-SigLIP2; models of the Hub are written hf-hub:OWNER/NAME"
        )
    by_name = bool(config.get("quick_gelu", False))
    if not pretrained:
        return Resolved(None, "random", by_name, _agreed(name))
    tag = get_pretrained_cfg(name, pretrained)
    if tag:
        return Resolved(None, "tag", _activation(name, config, tag), {key: tag[key] for key in IMAGE_KEYS})
    if os.path.isfile(pretrained):
        return Resolved(None, "file", by_name, _agreed(name))
    tags = ", ".join(list_pretrained_tags_by_model(name)) or "none"
    raise BackboneError(
        f"backbone.pretrained {pretrained!r} is neither a file nor a tag that open_clip knows for {name}; "
        f'its tags: {tags}; "" draws random weights'
    )


def _activation(name: str, config: dict, tag: dict) -> bool:
    """The tag's, except where only the architecture speaks of it."""
    if (
        "hf_model_name" in config["text_cfg"]
    ):  # roberta-ViT-B-32: its one tag is silent, its config says quick.
        return bool(config.get("quick_gelu", False))
    quick = bool(tag.get("quick_gelu", False))
    if quick != bool(config.get("quick_gelu", False)):
        log.info("%s: %s as the weights were trained with", name, "QuickGELU" if quick else "GELU")
    return quick


def _agreed(name: str) -> dict[str, Any]:
    """The image rules on which all published weights of an architecture agree: for a checkpoint file, that
    says nothing about them.
    """
    tags = [get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)]
    return {key: tags[0][key] for key in IMAGE_KEYS if tags and all(tag[key] == tags[0][key] for tag in tags)}
