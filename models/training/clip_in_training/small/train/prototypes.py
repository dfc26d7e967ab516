"""What a caption states and what a picture shows, on the same scale: one prototype for each value of an attribute.

CLIP's loss alone learns scenes apart soon, and the two sides of an edit late: their captions differ in one word, and
both vectors must move before either gains. With prototypes that pictures and captions share, each side learns by
itself. No bundle gets them.
"""

import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.scratch.losses.attributes import UNKNOWN, attribute_loss
from clip_in_training.scratch.model.attribute_heads import Classifiers


class Prototypes(Classifiers):
    """Classifiers of attributes on the trained part of an embedding."""

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """The trained parts [batch, width], whose length does not count, to logits [batch, values] by attribute."""
        return super().forward(functional.normalize(features, dim=-1) * features.shape[-1] ** 0.5)


def shared_loss(
    prototypes: Prototypes, pictures: Tensor, texts: Tensor, labels: Tensor, stated: Tensor
) -> Tensor:
    """Cross-entropy of pictures on all that is drawn, and of their captions on what they state.

    `pictures` and `texts` are the trained parts [batch, width], `labels` int64 [batch, attributes] with `UNKNOWN` for
    composed scenes, and `stated` bool of the same shape.
    """
    said = said_labels(labels, stated)
    return attribute_loss(prototypes(pictures), labels) + attribute_loss(prototypes(texts), said)


def said_labels(labels: Tensor, stated: Tensor) -> Tensor:
    """The labels that captions state; `UNKNOWN` for all others."""
    return torch.where(stated, labels, UNKNOWN)
