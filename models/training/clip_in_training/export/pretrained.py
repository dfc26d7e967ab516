"""`export --from`: exports a published checkpoint as a bundle, unchanged."""

from collections.abc import Sequence
from pathlib import Path

from clip_in_training.export.backbone_card import published_card
from clip_in_training.export.dual_encoder import Identity, write_dual_encoder
from clip_in_training.export.inputs import from_folder
from clip_in_training.export.source import Source
from clip_in_training.finetune.backbone.load import load_original

SEED = 1
"""No random weights are needed: either all weights are present, or `load_original` raises an error."""


def export_pretrained(
    source: Source,
    out: Path,
    precisions: Sequence[str] = (),
    calibrate: Path | None = None,
    name: str | None = None,
) -> dict:
    """Writes the bundle of a checkpoint and returns its manifest.

    `calibrate` is a folder of images and texts to use instead of drawn scenes. Raises `BackboneError` if the
    checkpoint is not available, `DataError` if the folder cannot be used, and `ExportError` as `write_dual_encoder`
    does.
    """
    backbone = load_original(source.recipe(), seed=SEED)
    identity = Identity(
        name=name or source.api_name(),
        description=f"{source.label()} as published, by way of open_clip",
        provenance={"backbone": {"name": source.name, "pretrained": source.pretrained, "seed": SEED}},
        card=published_card,
        weights=False,
    )
    material = from_folder(calibrate, backbone) if calibrate else None
    return write_dual_encoder(backbone, identity, out, precisions, material)
