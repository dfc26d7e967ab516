"""What every step of fine-tuning, and the export, may ask of a dual encoder, wherever it comes from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor, nn


@dataclass(frozen=True)
class ImageRules:
    """How a picture becomes the encoder's input; the words are those of a bundle's manifest."""

    size: int
    """Height and width in pixels."""
    mean: tuple[float, float, float]
    """To subtract, in units of pixel / 255."""
    std: tuple[float, float, float]
    """To divide by, in units of pixel / 255."""
    interpolation: str = "bicubic"
    """Pillow's filter: bicubic | bilinear."""
    resize_mode: str = "shortest"
    """shortest (then the centre is cut out) | longest (then padded) | squash."""
    fill_color: int = 0
    """Grey level of the padding that `longest` adds."""


class TextRules(ABC):
    """The tokenizer of a backbone with its padding rule."""

    context_length: int
    """Longest text in tokens, special tokens included."""
    pad_to: str
    """longest (causal towers that pool at the end token) | context_length (SigLIP)."""

    @abstractmethod
    def ids(self, text: str) -> list[int]:
        """The ids of one text, not padded; a text that is too long loses its tail, never its end token."""

    @abstractmethod
    def pad(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Rows of `ids` as int64 [batch, length], by the padding rule."""

    @abstractmethod
    def with_context(self, context_length: int) -> "TextRules":
        """The same rules for another context."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Writes `tokenizer.json` as the server reads it."""

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """int64 [batch, length]."""
        return self.pad([self.ids(text) for text in texts])


class Backbone(nn.Module, ABC):
    """A dual encoder with its preprocessing. Image normalisation is part of `encode_image`."""

    image_rules: ImageRules
    text_rules: TextRules
    embedding_dim: int
    family: str
    """softmax (CLIP) | sigmoid (SigLIP). That of the loss it was trained with."""
    positions: str
    """Of the text encoder: absolute | rope."""
    source: str
    """Where the weights come from, in words, for logs and provenance."""
    fixed: frozenset[str] = frozenset()
    """Names of parameters that never train: a sine table, say."""

    @abstractmethod
    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim], fp32."""

    @abstractmethod
    def encode_text(self, token_ids: Tensor) -> Tensor:
        """int64 [batch, length], any length that `text_rules` may give, to unit vectors
        [batch, embedding_dim], fp32.
        """

    @abstractmethod
    def scale(self) -> Tensor:
        """exp(logit_scale): logits = scale * cosine + bias. At most 100 in the softmax family; SigLIP's has
        no bound, and published ones are above 100.
        """

    @abstractmethod
    def bias(self) -> Tensor:
        """The logit bias of the sigmoid family; 0 in the softmax family."""

    @abstractmethod
    def preprocess(self, image: Image.Image) -> Tensor:
        """uint8 [size, size, 3] by `image_rules`."""
