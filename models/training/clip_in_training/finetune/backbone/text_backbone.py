"""A text tower alone as a `Backbone`, so that stage 1 and the export can use it."""

import math
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone.backbone import Backbone, ImageRules
from clip_in_training.finetune.backbone.logit_scale import bounded_scale
from clip_in_training.finetune.backbone.text_rules import TokenizerRules
from clip_in_training.small.text.encoder import Encoder
from clip_in_training.small.text.folder import load_tower
from clip_in_training.small.text.vocabulary import END_ID, PAD_ID, START_ID

NO_IMAGES = "is a text tower alone: it has no images"


class TextBackbone(Backbone):
    """Encodes texts; what concerns images raises `BackboneError`."""

    text_rules: TokenizerRules

    def __init__(self, encoder: Encoder, rules: TokenizerRules, source: str):
        super().__init__()
        self.encoder, self.text_rules, self.source = encoder, rules, source
        self.image_rules = ImageRules(1, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.embedding_dim = encoder.shape.width
        self.family = "softmax"
        self.positions = "rope" if encoder.positions is None else "absolute"
        self.logit_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        """sentence-transformers' factor of the cosine in training."""

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """int64 [batch, length] to unit vectors [batch, embedding_dim], fp32."""
        return functional.normalize(self.encoder(token_ids).float(), dim=-1)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Raises `BackboneError`."""
        raise BackboneError(f"{self.source} {NO_IMAGES}")

    def preprocess(self, image: Image.Image) -> Tensor:
        """Raises `BackboneError`."""
        raise BackboneError(f"{self.source} {NO_IMAGES}")

    def scale(self) -> Tensor:
        """exp(logit_scale), at most 100."""
        return bounded_scale(self.logit_scale)

    def bias(self) -> Tensor:
        """0."""
        return self.logit_scale.new_zeros(())


def text_rules(tokenizer: Tokenizer, context_length: int) -> TokenizerRules:
    """Start piece, text, end piece; padded to the longest text of a batch."""
    return TokenizerRules(tokenizer, context_length, "longest", START_ID, END_ID, PAD_ID)


def load_text_backbone(folder: Path, context_length: int) -> TextBackbone:
    """The tower of a folder. Raises `BackboneError` if there is none, or if it cannot read so long a context."""
    encoder, tokenizer = load_tower(folder)
    table = encoder.shape.table
    if table is not None and context_length > table:
        raise BackboneError(
            f"backbone.context_length is {context_length}, but {folder} has {table} positions"
        )
    return TextBackbone(encoder, text_rules(tokenizer, context_length), f"text tower {folder.name}")
