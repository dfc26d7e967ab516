"""Image tower and text tower in one space, with the learned scale of their cosines."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.scratch.model.image_tower import ImageTower
from clip_in_training.scratch.model.text_tower import TextTower
from clip_in_training.scratch.recipe import Recipe
from clip_in_training.scratch.tokenizer.encode import END_ID

LARGEST_SCALE = 100.0
"""CLIP's clamp: beyond it the softmax saturates and training becomes unstable."""


class DualEncoder(nn.Module):
    """The model of a bundle: `encode_image`, `encode_text`, `encode_patches`, `scale`."""

    def __init__(self, recipe: Recipe, vocabulary: int):
        super().__init__()
        text = recipe.text_tower
        self.image_tower = ImageTower(recipe.image_tower, recipe.data.image_size, recipe.embedding_dim)
        self.text_tower = TextTower(
            vocabulary,
            text.width,
            text.depth,
            text.heads,
            text.hidden,
            recipe.embedding_dim,
            END_ID,
            text.context_length if text.positions == "absolute" else None,
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def scale(self) -> Tensor:
        """exp(logit_scale), at most 100: logits = scale * cosine."""
        return self.logit_scale.exp().clamp(max=LARGEST_SCALE)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim], fp32."""
        vectors, _, _ = self.image_tower(pixels)
        return functional.normalize(vectors.float(), dim=-1)

    def encode_patches(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, grid*grid, embedding_dim], reading order,
        fp32.
        """
        _, patches, _ = self.image_tower(pixels)
        return functional.normalize(patches.float(), dim=-1)

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """Ids [batch, length] from `tokenizer.encode` to unit vectors [batch, embedding_dim], fp32."""
        return functional.normalize(self.text_tower(token_ids).float(), dim=-1)


def parameter_count(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in module.parameters())
