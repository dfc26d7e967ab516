"""`clip-in-small` as a `Backbone`, so that the export can use it."""

import math

import torch
from PIL import Image
from torch import Tensor, nn

from clip_in_training.finetune.backbone.backbone import Backbone, ImageRules
from clip_in_training.finetune.backbone.images import Preprocess
from clip_in_training.finetune.backbone.logit_scale import bounded_scale
from clip_in_training.finetune.backbone.text_rules import TokenizerRules
from clip_in_training.small.lite0 import MEAN, SCALE, Lite0
from clip_in_training.small.model.image_tower import ImageHeads, ImageTower
from clip_in_training.small.model.text_tower import TextHeads, TextTower
from clip_in_training.small.recipe import SmallRecipe
from clip_in_training.small.text.encoder import Encoder

SOURCE = "clip-in-small"


class Heads(nn.Module):
    """All that is trained, and the scale of the cosines."""

    def __init__(self, recipe: SmallRecipe, width: int):
        super().__init__()
        self.image = ImageHeads(recipe.heads, recipe.data.image_size)
        self.text = TextHeads(recipe.heads, width)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def scale(self) -> Tensor:
        """exp(logit_scale), at most 100."""
        return bounded_scale(self.logit_scale)


class SmallBackbone(Backbone):
    """Both towers with their rules."""

    def __init__(
        self, lite0: Lite0, encoder: Encoder, heads: Heads, text_rules: TokenizerRules, recipe: SmallRecipe
    ):
        super().__init__()
        self.image_tower = ImageTower(lite0, heads.image)
        self.text_tower = TextTower(encoder, heads.text)
        self.logit_scale = heads.logit_scale
        grey, spread = MEAN / 255, SCALE / 255
        self.image_rules = ImageRules(recipe.data.image_size, (grey,) * 3, (spread,) * 3)
        self.text_rules = text_rules
        self.embedding_dim = recipe.heads.world + recipe.heads.fine
        self.family, self.positions, self.source = "softmax", "rope", SOURCE
        self._preprocess = Preprocess(self.image_rules)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim], fp32."""
        return self.image_tower(pixels)

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """int64 [batch, length] to unit vectors [batch, embedding_dim], fp32."""
        return self.text_tower(token_ids)

    def scale(self) -> Tensor:
        """exp(logit_scale), at most 100."""
        return bounded_scale(self.logit_scale)

    def bias(self) -> Tensor:
        """0: the softmax family has none."""
        return self.logit_scale.new_zeros(())

    def preprocess(self, image: Image.Image) -> Tensor:
        """uint8 [size, size, 3] by `image_rules`."""
        return self._preprocess(image)
