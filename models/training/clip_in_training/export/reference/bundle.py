"""Writes a bundle of an open_clip architecture with random weights."""

from pathlib import Path

from clip_in_training.export.dual_encoder import Identity, write_dual_encoder
from clip_in_training.export.reference.card import card
from clip_in_training.finetune.backbone.load import load_original
from clip_in_training.finetune.recipe import BackboneRecipe


def write_reference(architecture: str, seed: int, out: Path) -> dict:
    """Writes the bundle to `out`, replacing what is there, and returns its manifest.

    The same name and seed give the same weights, so the bundle does not store them. Raises `BackboneError` if
    open_clip has no such architecture, and `ExportError` if a graph disagrees with open_clip; `out` is unchanged
    then.
    """
    backbone = load_original(BackboneRecipe(name=architecture, positions="absolute"), seed)

    identity = Identity(
        name=f"{architecture.lower()}-random",
        description=f"open_clip's {architecture} with random weights, to measure speed with",
        provenance={"architecture": architecture, "weights": "random", "seed": seed},
        card=lambda manifest, folder, *_: card(manifest, folder),
        weights=False,
        # Patch vectors would add 0.4 % of the products and, for L/14, megabytes to copy. The comparison leaves them
        # out.
        patches=False,
    )
    return write_dual_encoder(backbone, identity, out)
