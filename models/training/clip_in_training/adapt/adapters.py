"""Two small matrices behind frozen towers: f(x) = (x + s A x) / |…| for images, g(t) = (t + s B t) / |…| for texts.

A and B are [embedding_dim, embedding_dim] of low rank and begin at 0. They learn that each side of a new pair prefers
its own caption, and each caption its own picture (`WithinPairLoss`). That comparison has no false negatives, however
many pairs share a caption. Pairs of different facts are compared too, with a small weight (`between_pairs`). On
replayed edits they stay near the vectors of the start, and CLIP's loss keeps what is known of them.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clip_in_training.adapt.between_pairs import between_pairs, numbered
from clip_in_training.adapt.embedded import Embedded
from clip_in_training.adapt.encoders import unit
from clip_in_training.adapt.replay import Replay
from clip_in_training.common.losses.contrast import CONTRASTS, both_ways
from clip_in_training.finetune.losses.within_pair import WithinPairLoss


@dataclass(frozen=True)
class AdapterSettings:
    """What decides the result beside the pairs, the bundle and the seed."""

    rank: int = 32
    """Of A and B, at most the width of an embedding."""
    steps: int = 200
    """For up to `batch` pairs; more pairs take more steps, at most four times as many."""
    batch: int = 512
    """New pairs a step."""
    learning_rate: float = 1e-2
    between: float = 0.02
    """Weight of what pairs say about one another."""
    anchors: tuple[float, ...] = (30.0, 100.0)
    """Weights of 1 - cosine to the start's vectors, mean over replayed pictures and texts. Each is tried."""
    replay: float = 1.0
    """Weight of CLIP's loss (SigLIP's for a sigmoid bundle) on replayed edits."""
    replayed: int = 128
    """Replayed edits, and as many texts alone, a step."""


@dataclass(frozen=True)
class Similarity:
    """The manifest's: how a bundle turns cosines into logits."""

    kind: str
    """softmax | sigmoid"""
    scale: float
    bias: float


@dataclass(frozen=True)
class Adapters:
    """A of the image tower and B of the text tower, float64."""

    image: np.ndarray
    text: np.ndarray

    def products(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """I + s A and I + s B."""
        one = np.eye(len(self.image))
        return one + strength * self.image, one + strength * self.text

    def __call__(
        self, images: np.ndarray, texts: np.ndarray, strength: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors of any shape to adapted ones."""
        image, text = self.products(strength)
        return unit(images.astype(np.float64) @ image.T), unit(texts.astype(np.float64) @ text.T)


@dataclass(frozen=True)
class Trainer:
    """Learns A and B. On one machine, the same arguments give the same matrices, whatever its load."""

    replay: Replay | None
    similarity: Similarity
    settings: AdapterSettings
    seed: int

    def anchors(self) -> tuple[float, ...]:
        """The weights to try; without replay there is nothing to anchor."""
        return self.settings.anchors if self.replay is not None else (0.0,)

    def __call__(self, pairs: Embedded, anchor: float) -> Adapters:
        """Trains on all of the pairs."""
        with _one_thread():
            return _train(pairs, self, anchor, torch.Generator().manual_seed(self.seed))


class _Tower:
    """x + U Vᵀ x, normalised."""

    def __init__(self, width: int, rank: int, random: torch.Generator):
        self.out = torch.zeros(width, rank, requires_grad=True)
        self.into = torch.randn(width, rank, generator=random).div_(math.sqrt(width)).requires_grad_(True)

    def __call__(self, vectors: Tensor) -> Tensor:
        return functional.normalize(vectors + (vectors @ self.into) @ self.out.T, dim=-1)

    def matrix(self) -> np.ndarray:
        """float64 [width, width]."""
        out, into = (each.detach().double() for each in (self.out, self.into))
        return (out @ into.T).numpy()


def _train(pairs: Embedded, trainer: Trainer, anchor: float, random: torch.Generator) -> Adapters:
    settings, similarity, width = trainer.settings, trainer.similarity, pairs.images.shape[-1]
    image, text = (_Tower(width, min(settings.rank, width), random) for _ in range(2))
    images, texts = torch.from_numpy(pairs.images), torch.from_numpy(pairs.texts)
    kept = None if trainer.replay is None else _Kept(trainer.replay, trainer, anchor)
    within = WithinPairLoss("softmax", "softmax")
    facts = numbered(pairs.facts)
    scale, bias = torch.tensor(similarity.scale), torch.tensor(similarity.bias)
    optimiser = torch.optim.Adam(
        [image.out, image.into, text.out, text.into], lr=settings.learning_rate, betas=(0.9, 0.99)
    )
    steps = round(settings.steps * min(4.0, max(1.0, len(pairs) / settings.batch)))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        rows = torch.randperm(len(pairs), generator=random)[: settings.batch]
        seen, said = image(images[rows]), text(texts[rows])
        loss = within(seen[:, 0], said[:, 0], seen[:, 1], said[:, 1], scale, bias)
        if settings.between:
            loss = loss + settings.between * between_pairs(seen, said, facts[rows], scale)
        if kept is not None:
            loss = loss + kept(image, text, random)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return Adapters(image.matrix(), text.matrix())


class _Kept:
    """What replayed edits and texts add to the loss."""

    def __init__(self, replay: Replay, trainer: Trainer, anchor: float):
        rows = replay.halves()[0]
        self.images, self.texts = torch.from_numpy(replay.images[rows]), torch.from_numpy(replay.texts[rows])
        self.captions = torch.from_numpy(replay.captions[rows])
        self.alone = torch.from_numpy(replay.alone)
        self.similarity, self.settings, self.anchor = trainer.similarity, trainer.settings, anchor
        self.contrast = CONTRASTS[self.similarity.kind]

    def __call__(self, image: _Tower, text: _Tower, random: torch.Generator) -> Tensor:
        edits = torch.randperm(len(self.images), generator=random)[: self.settings.replayed]
        alone = torch.randperm(len(self.alone), generator=random)[: self.settings.replayed]
        before = (self.images[edits].flatten(0, 1), self.texts[edits].flatten(0, 1), self.alone[alone])
        after = (image(before[0]), text(before[1]), text(before[2]))
        far = [1 - (one * other).sum(-1) for one, other in zip(before, after, strict=True)]
        moved = (far[0].mean() + torch.cat(far[1:]).mean()) / 2
        known = both_ways(
            self.contrast,
            after[0],
            after[1],
            self.similarity.scale,
            self.similarity.bias,
            self.captions[edits].flatten(),
        )
        return self.anchor * moved + self.settings.replay * known


@contextmanager
def _one_thread() -> Iterator[None]:
    """The order of sums, and so the last digits, would depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
