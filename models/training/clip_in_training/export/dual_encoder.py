"""Writes the bundle of any `Backbone` atomically: graphs, tokenizer, parity checks, documents."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from clip_in_training.common.created import created
from clip_in_training.common.errors import ExportError
from clip_in_training.common.whole_file import replace_text
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.exact_halves import store_exact_halves
from clip_in_training.export.files import checksums, whole_or_not_at_all, write_json
from clip_in_training.export.golden import write_golden
from clip_in_training.export.graph import OPSET
from clip_in_training.export.inputs import SCENE_SEED, Material, drawn
from clip_in_training.export.manifest import Interface, code_revision, fp32_variant, manifest
from clip_in_training.export.original import original, special_ids
from clip_in_training.export.parity import checks, measure_parity
from clip_in_training.export.towers import export_towers, patch_grid
from clip_in_training.export.variants.add import add_variants
from clip_in_training.export.variants.subject import Subject
from clip_in_training.export.weights import save_weights
from clip_in_training.finetune.backbone.backbone import Backbone


@dataclass(frozen=True)
class Identity:
    """Descriptive fields of a bundle."""

    name: str
    """The model's name in the API: [a-z0-9._-]."""
    description: str
    """One line."""
    provenance: dict
    """Provenance besides code revision, date and versions, which are added."""
    card: Callable[[dict, Path, Material, Backbone], str]
    """Makes the model card's text from the manifest with its fp32 variant, the folder and what was compared."""
    weights: bool
    """Whether to write `model.safetensors`: needed if the weights are available nowhere else."""
    patches: bool = True
    """Whether to export patch vectors where the tower has them."""
    halved: bool = False
    """Whether weights are stored with matrices in fp16, here and in the fp32 graphs: `weights.round_weights` has made
    that exact.
    """
    samples: str | None = None
    """The list of sample images that `card` writes, relative to the bundle."""


def write_dual_encoder(
    backbone: Backbone,
    identity: Identity,
    out: Path,
    precisions: Sequence[str] = (),
    material: Material | None = None,
) -> dict:
    """Writes the bundle to `out`, replacing what is there, and returns its manifest.

    `precisions` are added to fp32 (see `variants.add`). `material` holds the inputs for comparison and calibration;
    None means drawn scenes. Raises `ExportError` if a graph disagrees with PyTorch by more than `parity.LIMIT`, or
    a precision disagrees with fp32; `out` is unchanged then.
    """
    backbone = backbone.eval()
    material = material or drawn(backbone.image_rules.size)
    reference = original(backbone)
    with whole_or_not_at_all(out) as folder:
        backbone.text_rules.save(folder / "tokenizer.json")
        _check_tokenizer(backbone, folder / "tokenizer.json", material.checked.texts)
        grid = patch_grid(backbone) if identity.patches else None
        export_towers(backbone, folder, patches=grid is not None)
        if identity.halved:
            for tower in ("image.onnx", "text.onnx"):
                store_exact_halves(folder / tower)
        graphs = Graphs(folder / "image.onnx", folder / "text.onnx", backbone.text_rules)
        known = checks(reference, backbone.text_rules, material.checked.pixels, material.checked.texts)
        parity = measure_parity(known, graphs)
        del graphs
        write_golden(reference, backbone.preprocess, backbone.text_rules, folder, SCENE_SEED)
        if identity.weights:
            _save_weights(backbone, folder / "model.safetensors", identity.halved)
        content = manifest(_interface(backbone, identity, grid), _provenance(backbone, identity))
        content["variants"] = [fp32_variant(parity, benchmark_delta=None)]
        card = identity.card(content, folder, material, backbone)
        replace_text(folder / "model-card.md", card)
        content["files"] = checksums(folder)
        write_json(folder / "bundle.json", content)
        if precisions:
            calibrated = material.calibration()
            subject = Subject(backbone.text_rules, known, calibrated.pixels, calibrated.texts, None)
            content = add_variants(folder, list(precisions), subject)
    return content


def fingerprint(backbone: Backbone) -> str:
    """sha256 in hex over names, shapes and bytes of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(backbone.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _check_tokenizer(backbone: Backbone, path: Path, texts: Sequence[str]) -> None:
    """Checks that the file, read as the server reads it, gives the ids that the backbone was trained on."""
    rules = backbone.text_rules
    if len(rules.ids("")) > 2:
        raise ExportError(
            "the tokenizer puts more than a start and an end token around a text, and the bundle format "
            "has no field for that; no bundle was written"
        )
    start, end, _ = special_ids(backbone)
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    before = [] if start is None else [start]
    for text in texts:
        tokens = tokenizer.encode(text, add_special_tokens=False).ids
        ids = [*before, *tokens[: rules.context_length - len(before) - 1], end]
        if ids != rules.ids(text):
            raise ExportError(
                f"tokenizer.json gives other ids than the model's tokenizer for {text[:60]!r}; "
                "no bundle was written"
            )


def _save_weights(backbone: Backbone, path: Path, halved: bool) -> None:
    if halved:
        save_weights(backbone.state_dict(), path)
        return
    save_file(
        {name: value.detach().clone().contiguous() for name, value in backbone.state_dict().items()}, path
    )
    path.chmod(0o644)


def _interface(backbone: Backbone, identity: Identity, grid: int | None) -> Interface:
    images, texts = backbone.image_rules, backbone.text_rules
    start, end, pad = special_ids(backbone)
    return Interface(
        name=identity.name,
        description=identity.description,
        embedding_dim=backbone.embedding_dim,
        image_size=images.size,
        mean=list(images.mean),
        std=list(images.std),
        patch_grid=grid,
        context_length=texts.context_length,
        start_id=start,
        end_id=end,
        pad_id=pad,
        positions=backbone.positions,
        logit_scale=backbone.scale().item(),
        resize_mode=images.resize_mode,
        interpolation=images.interpolation,
        fill_color=images.fill_color,
        pad_to=texts.pad_to,
        similarity=backbone.family,
        logit_bias=backbone.bias().item(),
        samples=identity.samples,
    )


def _provenance(backbone: Backbone, identity: Identity) -> dict:
    return {
        **identity.provenance,
        "weights_sha256": fingerprint(backbone),
        "code_revision": code_revision(),
        "created": created(),
        "opset": OPSET,
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
    }
