"""The part of the embedding that is not trained: which of the 1,000 classes of Lite0 a picture or a text is near.

A picture is its logits, less their mean, a text the softmax of its cosines to the names of classes. Both lie in the
same 1,000 dimensions; a projection to the directions in which the classifier's rows differ makes them short. No
photograph is needed: the classifier has seen them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.small.classes import TEMPLATES, ImageClass
from clip_in_training.small.lite0 import Lite0
from clip_in_training.small.model.image_tower import ImageHeads
from clip_in_training.small.model.text_tower import TextHeads

GLOSS = 0.3
"""Weight of the gloss beside the mean of names."""
SOME = TEMPLATES[:4]


class ClassTexts(NamedTuple):
    """Names of classes in sentences; one row a text."""

    texts: list[str]
    owners: list[int]
    """The class of each."""
    weights: list[float]
    """How much each counts in its class's vector."""


def class_texts(classes: Sequence[ImageClass]) -> ClassTexts:
    """Each name and synonym in a few templates, which count as much as one text together, and the gloss."""
    texts, owners, weights = [], [], []
    for place, each in enumerate(classes):
        *own, gloss = each.texts(SOME)
        texts += [*own, gloss]
        owners += [place] * (len(own) + 1)
        weights += [1 / len(own)] * len(own) + [GLOSS]
    return ClassTexts(texts, owners, weights)


def name_vectors(of: ClassTexts, vectors: Tensor) -> Tensor:
    """One unit vector a class, [classes, width], from those of its texts [texts, width]."""
    weighted = functional.normalize(vectors, dim=-1) * torch.tensor(of.weights)[:, None]
    sums = torch.zeros(max(of.owners) + 1, vectors.shape[1])
    return functional.normalize(sums.index_add_(0, torch.tensor(of.owners), weighted), dim=-1)


@torch.no_grad()
def start_world(image: ImageHeads, text: TextHeads, lite0: Lite0, names: Tensor, temperature: float) -> None:
    """Sets the weights of both heads' first parts; `names` are `name_vectors`.

    The projection keeps the directions in which the classifier's rows differ most: what a picture has in the others
    is little, so nearly nothing of the product with a text is lost. Directions of the names would lose half.
    """
    weight, bias = lite0.classifier.weight, lite0.classifier.bias
    rows, offset = weight - weight.mean(0), bias - bias.mean()
    _, directions = torch.linalg.eigh(rows @ rows.T)
    project = directions.T.flip(0)[: image.world.out_features]
    image.world.weight.copy_(project @ rows)
    image.world.bias.copy_(project @ offset)
    text.names.weight.copy_(names / temperature)
    text.world.weight.copy_(project)
    text.world.bias.copy_(-project.sum(1) / project.shape[1])
