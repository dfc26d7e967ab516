"""What every reader gives, whatever the format on disk."""

from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor


@dataclass
class View:
    """One image with what is said about it."""

    image: Image.Image
    short: str | None
    long: str | None = None


@dataclass
class EditPair:
    """An edit: two images that look almost the same and mean something else."""

    source: View
    target: View
    name: str
    """Where it comes from, for people: file and row."""
    category: str | None = None


@dataclass
class Single:
    """An image-text pair."""

    view: View
    name: str


@dataclass
class Batch:
    """One step's input on one process.

    Row i of everything belongs to image i. The first `pairs` images are the sources of edits, the next
    `pairs` their targets in the same order, the rest single images.
    """

    pixels: Tensor
    """uint8 [images, size, size, 3]."""
    pairs: int
    short: Tensor
    """int64 [images, length]; of an image without a short caption the row is that of the empty text."""
    long: Tensor
    """int64 [images, length], likewise."""
    has_short: Tensor
    """bool [images]."""
    has_long: Tensor
    """bool [images]."""
    names: list[str] = field(default_factory=list)
    """Where each image comes from, for error messages."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        moved = {k: v.to(device, non_blocking=True) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return Batch(**{**vars(self), **moved})
