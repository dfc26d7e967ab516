"""What every reader gives, whatever the format on disk."""

from dataclasses import dataclass, field
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from clip_in_training.finetune.readers.broken import Broken

T = TypeVar("T")


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
    prompt: str | None = None
    """What is changed, in words."""


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
    prompt: Tensor | None = None
    """int64 [images, length]: what an edit changes, in its target's row, else the empty text; None if no term reads
    it.
    """
    has_prompt: Tensor | None = None
    short_keys: Tensor | None = None
    """int64 [images]: equal keys, equal captions as the encoder reads them."""
    long_keys: Tensor | None = None
    prompt_keys: Tensor | None = None
    names: list[str] = field(default_factory=list)
    """Where each image comes from, for error messages."""
    read: int = 0
    """Records read for it, broken ones included."""
    truncated: int = 0
    """Captions that filled the context, or were longer."""
    broken: list[Broken] = field(default_factory=list)
    """Records that others stand in for."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return _each_tensor(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The same batch in memory that a card can copy from; the DataLoader calls it."""
        return _each_tensor(self, Tensor.pin_memory)


@dataclass
class Captions:
    """One step's input of stage 1 on one process: a caption of each record."""

    ids: Tensor
    """int64 [captions, length]."""
    cut: Tensor
    """int64 [captions, at most the teacher's context]: the same captions' prefixes, end token included."""
    taught: Tensor | None = None
    """float32 [captions, embedding_dim]: the teacher's vectors, if all sources have them."""
    names: list[str] = field(default_factory=list)
    """Where each caption comes from."""
    read: int = 0
    truncated: int = 0
    """Captions that filled the student's context, or were longer."""
    broken: list[Broken] = field(default_factory=list)

    def to(self, device: torch.device) -> "Captions":
        """The same captions on a device."""
        return _each_tensor(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Captions":
        """The same captions in memory that a card can copy from."""
        return _each_tensor(self, Tensor.pin_memory)


def _each_tensor(item: T, change) -> T:
    """`item` with its tensors changed."""
    return type(item)(**{k: change(v) if isinstance(v, Tensor) else v for k, v in vars(item).items()})
