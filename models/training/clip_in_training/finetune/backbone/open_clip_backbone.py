"""A model of open_clip as a `Backbone`."""

from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from PIL import Image
from torch import Tensor
from torch.nn import functional

from clip_in_training.finetune.backbone.backbone import Backbone, ImageRules
from clip_in_training.finetune.backbone.images import Preprocess
from clip_in_training.finetune.backbone.logit_scale import bounded_scale
from clip_in_training.finetune.backbone.text_rules import TokenizerRules
from clip_in_training.finetune.backbone.text_tower import encode


class OpenClipBackbone(Backbone):
    """`clip` is open_clip's own model with open_clip's own parameter names; rules stand beside it."""

    clip: Any
    """An nn.Module whose parts depend on the architecture; open_clip has no types for them."""
    text_rules: TokenizerRules
    source: str
    fixed: frozenset[str]
    pixel_scale: Tensor
    pixel_shift: Tensor

    def __init__(self, clip: Any, image_rules: ImageRules, text_rules: TokenizerRules, source: str):
        super().__init__()
        self.clip = clip
        self.image_rules, self.text_rules = image_rules, text_rules
        self.source = source
        """Where the weights come from, in words, for logs and provenance."""
        self.family = "softmax" if clip.logit_bias is None else "sigmoid"
        self.positions = "absolute"
        self.fixed = frozenset(name for name, p in self.named_parameters() if not p.requires_grad)
        """Parameters that never train: a sine table, say."""
        self._preprocess = Preprocess(image_rules)
        mean, std = torch.tensor(image_rules.mean), torch.tensor(image_rules.std)
        self.register_buffer("pixel_scale", 1 / (255 * std), persistent=False)
        self.register_buffer("pixel_shift", -mean / std, persistent=False)
        with torch.no_grad():  # Towers say their width in different ways, and some not at all.
            self.embedding_dim = self.encode_text(self.text_rules([""])).shape[1]

    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim], fp32."""
        image = torch.addcmul(self.pixel_shift, pixels.to(torch.float32), self.pixel_scale)
        return functional.normalize(self.clip.visual(image.permute(0, 3, 1, 2)).float(), dim=-1)

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """int64 [batch, length], any length that `text_rules` may give, to unit vectors
        [batch, embedding_dim], fp32.
        """
        if isinstance(getattr(self.clip, "text", None), HFTextEncoder):
            vectors = self.clip.encode_text(token_ids)
        else:
            vectors = encode(self.clip, token_ids)
        return functional.normalize(vectors.float(), dim=-1)

    def scale(self) -> Tensor:
        """exp(logit_scale): logits = scale * cosine + bias; at most 100 in the softmax family."""
        if self.family == "softmax":
            return bounded_scale(self.clip.logit_scale)
        return self.clip.logit_scale.exp().reshape(())

    def bias(self) -> Tensor:
        """The logit bias of the sigmoid family; 0 in the softmax family."""
        if self.clip.logit_bias is None:
            return torch.zeros((), device=self.clip.logit_scale.device)
        return self.clip.logit_bias.reshape(())

    def preprocess(self, image: Image.Image) -> Tensor:
        """uint8 [size, size, 3] by `image_rules`."""
        return self._preprocess(image)
