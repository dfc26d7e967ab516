"""`export --from`: a public checkpoint as a bundle, unchanged."""

from collections.abc import Sequence
from pathlib import Path

from clip_in_training.backbone.load import load_original
from clip_in_training.export.dual_encoder import Identity, parameter_counts, write_dual_encoder
from clip_in_training.export.inputs import Material, from_folder
from clip_in_training.export.precision_table import section
from clip_in_training.export.source import Source

TEMPLATE = """# {name}

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


def export_pretrained(
    source: Source,
    out: Path,
    precisions: Sequence[str] = (),
    calibrate: Path | None = None,
    name: str | None = None,
) -> dict:
    """Writes the bundle of a checkpoint and returns its manifest.

    `calibrate` is a folder of images and texts in place of drawn scenes. Raises `BackboneError` if the
    checkpoint cannot be had, `DataError` if the folder is no use, and `ExportError` as `write_dual_encoder`.
    """
    backbone = load_original(source.recipe(), seed=1)
    counts = parameter_counts(backbone)

    def card(manifest: dict, folder: Path, material: Material) -> str:
        return TEMPLATE.format(
            name=manifest["name"],
            description=manifest["description"],
            weights=manifest["provenance"]["weights_sha256"][:16],
            encoders=encoders(manifest, counts),
            precisions=section(manifest, folder),
            compared=material.description,
        )

    weights = f" ({Path(source.pretrained).name})" if source.pretrained else ""
    identity = Identity(
        name=name or source.api_name(),
        description=f"open_clip's {source.name}{weights} as published",
        provenance={
            "backbone": {"name": source.name, "pretrained": source.pretrained, "seed": 1},
            "exported_from": f"open_clip:{source.name}" + (f"/{source.pretrained}" if source.pretrained else ""),
        },
        card=card,
        weights=False,
    )
    material = from_folder(calibrate, backbone) if calibrate else None
    return write_dual_encoder(backbone, identity, out, precisions, material)


def encoders(manifest: dict, counts: tuple[int, int]) -> str:
    """The card's lines about both towers; `counts` are the parameters of images and texts."""
    image, text, similarity = manifest["image"], manifest["text"], manifest["similarity"]
    grid = image["patch_grid"]
    return ENCODERS.format(
        size=image["size"][0],
        resize_mode=image["resize_mode"],
        interpolation=image["interpolation"],
        image_parameters=counts[0],
        patches=(
            f"{grid[0]}x{grid[1]} patch vectors: the other tokens behind the same projection, which the training "
            "taught nothing about, so that heat maps show tendencies at best."
            if grid
            else "There are no patch vectors."
        ),
        context=text["context_length"],
        padding="longest of a batch" if text["pad_to"] == "longest" else "full context",
        positions="rotary" if text["positions"] == "rope" else "learnt",
        text_parameters=counts[1],
        dim=manifest["embedding_dim"],
        kind=similarity["kind"],
        scale=similarity["logit_scale"],
        bias=similarity["logit_bias"],
    )
