"""The reference for the graphs: open_clip's own forward pass where there is one, else the backbone itself."""

from typing import Any, Protocol

import torch
from open_clip.hf_model import HFTextEncoder
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone


class Original(nn.Module):
    """open_clip's own code behind the two methods that parity uses.

    Nothing is trimmed or rewritten here, so the graphs are compared with what open_clip computes: texts are padded
    to the full context, and images are normalised as in torchvision.
    """

    clip: Any
    mean: Tensor
    std: Tensor
    context_length: int

    def __init__(self, backbone: OpenClipBackbone):
        super().__init__()
        self.clip = backbone.clip
        masks_padding = isinstance(getattr(backbone.clip, "text", None), HFTextEncoder)
        self.context_length = (backbone.text_rules if masks_padding else backbone.clip).context_length
        _, _, self.pad_id = special_ids(backbone)
        self.mean = torch.tensor(backbone.image_rules.mean)
        self.std = torch.tensor(backbone.image_rules.std)

    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim]."""
        image = (pixels.to(torch.float32) / 255 - self.mean) / self.std
        return self.clip.encode_image(image.permute(0, 3, 1, 2), normalize=True)

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """Ids [batch, length] to unit vectors [batch, embedding_dim]."""
        missing = self.context_length - token_ids.shape[1]
        padded = functional.pad(token_ids, (0, missing), value=self.pad_id)
        return self.clip.encode_text(padded, normalize=True)


class Encoders(Protocol):
    """The interface of the reference: both towers."""

    def encode_image(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, embedding_dim]."""

    def encode_text(self, token_ids: Tensor) -> Tensor:
        """Ids [batch, length] to unit vectors [batch, embedding_dim]."""


def original(backbone: Backbone) -> Encoders:
    """The `Original` of an open_clip model with its own positions. A backbone with other positions is its own
    reference, because nothing else computes them.
    """
    if not isinstance(backbone, OpenClipBackbone) or backbone.positions != "absolute":
        return backbone
    return Original(backbone)


def special_ids(backbone: Backbone) -> tuple[int | None, int, int]:
    """The start token (None: there is none), end token and padding, found by tokenizing an empty text."""
    empty = backbone.text_rules.ids("")
    start, end = (empty[0] if len(empty) > 1 else None), empty[-1]
    pad = int(backbone.text_rules.pad([empty, [*empty, end]])[0, -1])
    return start, end, pad
