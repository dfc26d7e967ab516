"""What a caption states and what a picture shows, on the same scale: one prototype for each value of an attribute.

CLIP's loss alone learns scenes apart soon, and the two sides of an edit late: their captions differ in one word, and
both vectors must move before either gains. With prototypes that pictures and captions share, each side learns by
itself. No bundle gets them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.scratch.losses.attributes import UNKNOWN, attribute_loss


class Prototypes(nn.Module):
    """A linear classifier for each attribute, on the trained part of an embedding."""

    def __init__(self, width: int, attributes: dict[str, list[str]]):
        super().__init__()
        self.sizes = {name: len(values) for name, values in attributes.items()}
        self.linear = nn.Linear(width, sum(self.sizes.values()))

    def forward(self, vectors: Tensor) -> dict[str, Tensor]:
        """The trained part of embeddings [batch, width], of any length, to logits [batch, values] by attribute."""
        scaled = functional.normalize(vectors, dim=-1) * vectors.shape[-1] ** 0.5
        parts = self.linear(scaled).split(list(self.sizes.values()), dim=-1)
        return dict(zip(self.sizes, parts, strict=True))


def shared_loss(
    prototypes: Prototypes, pictures: Tensor, texts: Tensor, labels: Tensor, stated: Tensor
) -> Tensor:
    """Cross-entropy of pictures on all that is drawn, and of their captions on what they state.

    `pictures` and `texts` are the trained parts [batch, width], `labels` int64 [batch, attributes] with `UNKNOWN` for
    composed scenes, and `stated` bool of the same shape.
    """
    said = torch.where(stated, labels, UNKNOWN)
    return attribute_loss(prototypes(pictures), labels) + attribute_loss(prototypes(texts), said)
