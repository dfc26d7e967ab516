"""The two towers of a backbone as lists of what can be frozen: blocks, and what comes behind them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from open_clip.hf_model import HFTextEncoder
from open_clip.transformer import VisionTransformer
from torch import nn

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.bundle_backbone import BundleBackbone
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.backbone.text_backbone import TextBackbone
from clip_in_training.finetune.backbone.text_tower import text_pieces

Piece = nn.Module | nn.Parameter


@dataclass(frozen=True)
class Tower:
    """One tower."""

    pieces: list[Piece]
    """All of it."""
    blocks: list[nn.Module] = field(default_factory=list)
    """Its layers from the input on; empty if they are not a plain sequence."""
    behind: list[Piece] = field(default_factory=list)
    """Pooling, final norm and projection."""


@dataclass(frozen=True)
class Towers:
    """A whole backbone, each parameter once."""

    image: Tower
    text: Tower
    similarity: list[nn.Parameter]
    """Logit scale, and logit bias if there is one."""


def towers(backbone: Backbone) -> Towers:
    """The towers of a backbone that `load_backbone` gave. Raises `BackboneError` for others."""
    if isinstance(backbone, BundleBackbone):
        return _of_bundle(backbone)
    if isinstance(backbone, OpenClipBackbone):
        return _of_open_clip(backbone)
    if isinstance(backbone, TextBackbone):
        return _of_text(backbone)
    raise BackboneError(f"no towers are known of a {type(backbone).__name__}")


def parameters(pieces: Iterable[Piece]) -> Iterator[nn.Parameter]:
    """All parameters of some pieces."""
    for piece in pieces:
        if isinstance(piece, nn.Parameter):
            yield piece
        else:
            yield from piece.parameters()


def _of_bundle(backbone: BundleBackbone) -> Towers:
    image, text = backbone.model.image_tower, backbone.model.text_tower
    stages = list(image.stages)
    behind: list[Piece] = [child for name, child in image.named_children() if name != "stages"]
    return Towers(
        Tower([image], stages, behind),
        Tower([text], list(text.blocks), [text.norm, text.projection]),
        [backbone.model.logit_scale],
    )


def _of_text(backbone: TextBackbone) -> Towers:
    encoder = backbone.encoder
    behind: list[Piece] = [] if encoder.projection is None else [encoder.projection]
    return Towers(Tower([]), Tower([encoder], list(encoder.blocks), behind), [backbone.logit_scale])


def _of_open_clip(backbone: OpenClipBackbone) -> Towers:
    clip = backbone.clip
    similarity = [p for p in (clip.logit_scale, clip.logit_bias) if p is not None]
    return Towers(_image(clip.visual), _text(clip), similarity)


def _image(visual: Any) -> Tower:
    if isinstance(visual, VisionTransformer):
        behind = _named(visual, "attn_pool", "attn_pool_contrastive", "ln_post", "proj")
        return Tower([visual], list(visual.transformer.resblocks), behind)
    trunk = getattr(visual, "trunk", None)
    blocks = getattr(trunk, "blocks", None)
    if isinstance(blocks, nn.Sequential | nn.ModuleList):  # timm's transformers: SigLIP, EVA
        behind = _named(trunk, "norm", "attn_pool", "fc_norm", "head") + _named(visual, "head")
        return Tower([visual], list(blocks), behind)
    return Tower([visual])


def _text(clip: Any) -> Tower:
    if isinstance(getattr(clip, "text", None), HFTextEncoder):
        return Tower([clip.text])
    pieces = text_pieces(clip)
    ahead = _named(pieces, "token_embedding", "positional_embedding")
    behind = _named(pieces, "ln_final", "text_projection")
    return Tower([*ahead, pieces.transformer, *behind], list(pieces.transformer.resblocks), behind)


def _named(module: Any, *names: str) -> list[Piece]:
    """Those that the module has."""
    found = [getattr(module, name, None) for name in names]
    return [piece for piece in found if isinstance(piece, Piece)]
