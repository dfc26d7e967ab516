"""model-card.md of a backbone: its description and origin, from measured values only."""

import dataclasses
from pathlib import Path
from typing import Any

from clip_in_training.export.inputs import Material
from clip_in_training.export.precision_table import section
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.recipe import TuningRecipe

PUBLISHED = """# {name}

{description}. Nothing was trained or changed here: the weights are those of the checkpoint (sha256 over names and values
`{weights}`), and so are its licence, its training data and its limits; read the publisher's card before you use it.

{encoders}

## Precisions

{precisions}

The reference is open_clip's own forward pass. Compared: {compared}.
"""

ENCODERS = """- Images: {size}x{size} px, `{resize_mode}`, {interpolation}; {image_parameters:,} parameters. {patches}
- Texts: up to {context} tokens, padded to the {padding}; {positions} positions; {text_parameters:,} parameters.
- Embeddings: {dim} wide, of unit length. Scores: {kind} of {scale:.4g} x cosine {bias:+.4g}."""

TUNED = """# {name}

{description}. {backbone} fine-tuned with the CLIP-IN losses (arXiv 2508.02329). The licence is that of the checkpoint and of the
data; read the publisher's card for what the checkpoint had learnt before.

{encoders}

## Training

{training}
The recipe is in `bundle.json` under `provenance`.{agreement}

## Precisions

{precisions}

Compared: {compared}.
"""

AGREEMENT = """

Stage 1 taught the rotary text encoder to stand in for the original one. Cosine of both on held-out captions: mean {mean:.4f},
worst {worst:.4f}, over {texts} texts."""


@dataclasses.dataclass(frozen=True)
class Making:
    """The training of a fine-tuned model, for its card."""

    recipe_name: str
    """File name of the recipe."""
    recipe_text: str
    data_fingerprint: str
    """The fingerprint of the data."""
    clock: dict[str, float]
    """Seconds of training over all stages: "wall" and "cpu"."""
    agreement: dict[str, Any] | None = None
    """Stage 1 on held-out captions, as `finetune.stages.agreement` measures it; None without a stage 1."""
    which: str = ""
    """Which weights of the run were exported, if not those of the last step."""


def published_card(manifest: dict, folder: Path, material: Material, backbone: Backbone) -> str:
    """The card of a published checkpoint."""
    return PUBLISHED.format(
        name=manifest["name"],
        description=manifest["description"],
        weights=manifest["provenance"]["weights_sha256"][:16],
        encoders=_encoders(manifest, backbone),
        precisions=section(manifest, folder),
        compared=material.description,
    )


def tuned_card(
    manifest: dict,
    folder: Path,
    material: Material,
    backbone: Backbone,
    recipe: TuningRecipe,
    making: Making,
) -> str:
    """The card of a fine-tuned backbone."""
    start = recipe.backbone
    return TUNED.format(
        name=manifest["name"],
        description=recipe.description.rstrip("."),
        backbone=f"{start.name} ({start.pretrained})" if start.pretrained else start.name,
        encoders=_encoders(manifest, backbone),
        training=_training(recipe, making),
        agreement=AGREEMENT.format(**making.agreement["all"]) if making.agreement else "",
        precisions=section(manifest, folder),
        compared=material.description,
    )


def _encoders(manifest: dict, backbone: Backbone) -> str:
    """Describes both towers in a few lines."""
    image, text, similarity = manifest["image"], manifest["text"], manifest["similarity"]
    grid = image["patch_grid"]
    parameters = sum(p.numel() for p in backbone.parameters())
    of_images = sum(p.numel() for n, p in backbone.named_parameters() if ".visual." in n)
    return ENCODERS.format(
        size=image["size"][0],
        resize_mode=image["resize_mode"],
        interpolation=image["interpolation"],
        image_parameters=of_images,
        patches=(
            f"{grid[0]}x{grid[1]} patch vectors: the other tokens behind the same projection, which the training "
            "taught nothing about, so that heat maps show tendencies at best."
            if grid
            else "There are no patch vectors."
        ),
        context=text["context_length"],
        padding="longest of a batch" if text["pad_to"] == "longest" else "full context",
        positions="rotary" if text["positions"] == "rope" else "learnt",
        text_parameters=parameters - of_images,
        dim=manifest["embedding_dim"],
        kind=similarity["kind"],
        scale=similarity["logit_scale"],
        bias=similarity["logit_bias"],
    )


def _training(recipe: TuningRecipe, making: Making) -> str:
    """The card's lines about the training stages."""
    stage, losses = recipe.finetune, recipe.finetune.losses
    lines = [f"Data: fingerprint `{making.data_fingerprint[:16]}`, seed {recipe.seed}."]
    if recipe.distil.steps:
        lines.append(f"Stage 1: {recipe.distil.steps} steps of {recipe.distil.batch} captions.")
    if stage.steps:
        weights = {
            "L_short": losses.clip_short,
            "L_long": losses.clip_long,
            f"L_HN ({losses.hard_negative}) on short captions": losses.hard_negative_short,
            f"L_HN ({losses.hard_negative}) on long captions": losses.hard_negative_long,
            f"within edits ({losses.within_pair}) on short captions": losses.within_pair_short,
            f"within edits ({losses.within_pair}) on long captions": losses.within_pair_long,
            "difference of an edit's images and its prompt (PC-CLIP)": losses.difference,
            "distance of single images and captions to the start": losses.anchor,
        }
        terms = " + ".join(f"{weight:g} x {term}" for term, weight in weights.items() if weight > 0)
        lines.append(
            f"Stage 2: {stage.steps} steps of {stage.pairs} edits and {stage.singles} single images; trained: "
            f"{stage.trains}; loss: {terms}."
        )
    if making.which:
        lines.append(f"Weights: {making.which}.")
    lines.append(
        f"{making.clock['wall'] / 60:.0f} minutes on the wall, {making.clock['cpu'] / 60:.0f} of CPU time."
    )
    return "\n".join(lines)
