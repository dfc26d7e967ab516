"""One forward pass of a backbone over images and captions, as one module, so that DDP sees the whole step."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.readers.records import Batch

TEXTS = ("short", "long", "prompt")
"""Kinds of texts that an image may have."""


class Vectors(NamedTuple):
    """Unit vectors of some images and captions, each [count, embedding_dim] fp32, with scale and bias."""

    images: Tensor
    short: Tensor | None
    long: Tensor | None
    prompt: Tensor | None
    scale: Tensor
    bias: Tensor


class Encoder(nn.Module):
    """Both towers."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone

    def forward(
        self, pixels: Tensor, short: Tensor | None, long: Tensor | None, prompt: Tensor | None = None
    ) -> Vectors:
        """uint8 [images, size, size, 3] and ids [captions, length]; None where there are no captions."""
        return Vectors(
            self.backbone.encode_image(pixels),
            None if short is None else self.backbone.encode_text(short),
            None if long is None else self.backbone.encode_text(long),
            None if prompt is None else self.backbone.encode_text(prompt),
            self.backbone.scale(),
            # A copy: DDP takes a parameter that comes out as it is for one that was not used.
            self.backbone.bias().clone(),
        )


def train_mode(backbone: nn.Module) -> None:
    """Training mode, except for BatchNorm: its statistics stay those of pre-training, as is usual when
    fine-tuning. Else a chunk, or one process of many, would normalise by other images than the whole batch.
    """
    backbone.train()
    for module in backbone.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


class Part(NamedTuple):
    """Some rows of a batch with the captions that they have."""

    pixels: Tensor
    short: Tensor | None
    long: Tensor | None
    prompt: Tensor | None
    short_rows: Tensor
    """Row of the part that each short caption belongs to."""
    long_rows: Tensor
    prompt_rows: Tensor


def parts(batch: Batch, chunk: int, reads: dict[str, bool], device: torch.device) -> list[Part]:
    """A batch in parts of at most `chunk` images (0: one part), moved to the device.

    Captions that no term reads (`reads`: by kind) or that an image lacks are not encoded.
    """
    size = chunk or max(1, len(batch.pixels))
    found = []
    for start in range(0, len(batch.pixels), size):
        rows = slice(start, start + size)
        texts: dict[str, Tensor | None] = {}
        where: dict[str, Tensor] = {}
        for kind in TEXTS:
            read = reads[kind] and getattr(batch, kind) is not None
            if not read:
                where[kind], texts[kind] = torch.empty(0, device=device), None
                continue
            has = getattr(batch, f"has_{kind}")[rows]
            where[kind] = has.nonzero().squeeze(1).to(device)
            some = bool(has.any())
            texts[kind] = getattr(batch, kind)[rows][has].to(device, non_blocking=True) if some else None
        pixels = batch.pixels[rows].to(device, non_blocking=True)
        found.append(
            Part(
                pixels,
                texts["short"],
                texts["long"],
                texts["prompt"],
                where["short"],
                where["long"],
                where["prompt"],
            )
        )
    return found


def by_row(vectors: Tensor | None, rows: Tensor, images: Tensor) -> Tensor:
    """Caption vectors laid out as [images, embedding_dim]; zeros where there is no caption."""
    laid = torch.zeros_like(images)
    if vectors is None:
        return laid
    if len(vectors) == len(images):
        return vectors
    return laid.index_copy(0, rows, vectors.to(laid.dtype))
