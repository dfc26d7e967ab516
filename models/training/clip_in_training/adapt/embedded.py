"""Pairs as vectors: each picture and each caption is embedded once, however many pairs share it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from clip_in_training.adapt.encoders import BATCH, Encoders
from clip_in_training.adapt.pairs import Pair

SAMPLED = 48


@dataclass(frozen=True)
class Embedded:
    """Unit vectors of pairs; side 0 is the source, side 1 the target."""

    images: np.ndarray
    """float32 [pairs, 2, embedding_dim]"""
    texts: np.ndarray
    """float32 [pairs, 2, embedding_dim]"""
    captions: np.ndarray
    """int64 [pairs, 2]: equal numbers, equal captions as the encoder reads them."""
    facts: tuple[str, ...]
    parts: tuple[str, ...]
    pictures: tuple[str, ...]
    """Digest of each pair's second picture."""

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, chosen: np.ndarray) -> "Embedded":
        """Some of the pairs, by number."""
        places = [int(place) for place in chosen]
        return Embedded(
            *(values[chosen] for values in (self.images, self.texts, self.captions)),
            *(tuple(names[p] for p in places) for names in (self.facts, self.parts, self.pictures)),
        )

    def joined(self, other: "Embedded") -> "Embedded":
        """These pairs, then the others."""
        return Embedded(
            np.concatenate([self.images, other.images]),
            np.concatenate([self.texts, other.texts]),
            np.concatenate([self.captions, other.captions]),
            self.facts + other.facts,
            self.parts + other.parts,
            self.pictures + other.pictures,
        )


class Embedder:
    """Embeds pairs. Numbers of captions are the same over all calls."""

    def __init__(self, encoders: Encoders, width: int):
        self.encoders, self.width = encoders, width
        self.sample_pixels: list[np.ndarray] = []
        """The first `SAMPLED` different pictures, uint8 [height, width, 3], and"""
        self.sample_texts: list[str] = []
        """the first different captions, to compare graphs on."""
        self._pictures: dict[str, np.ndarray] = {}
        self._captions: dict[tuple[int, ...], int] = {}
        self._texts: list[np.ndarray] = []

    def __call__(self, pairs: Iterable[Pair]) -> Embedded:
        """Pictures are read and embedded in batches as the pairs come, so few of them are in memory."""
        digests, said, facts, parts = [], [], [], []
        waiting: dict[str, np.ndarray] = {}
        for pair in pairs:
            for picture in pair.pictures:
                if picture.digest not in self._pictures and picture.digest not in waiting:
                    waiting[picture.digest] = self.encoders.pixels(picture.image)
            if len(waiting) >= BATCH:
                self._embed(waiting)
            digests.append([picture.digest for picture in pair.pictures])
            said.append(pair.captions)
            facts.append(pair.fact)
            parts.append(pair.part)
        self._embed(waiting)
        numbers = np.array([self._numbers(texts) for texts in said], dtype=np.int64).reshape(-1, 2)
        images = [self._pictures[digest] for both in digests for digest in both]
        texts = [self._texts[number] for number in numbers.reshape(-1)]
        return Embedded(
            self._stacked(images),
            self._stacked(texts),
            numbers,
            tuple(facts),
            tuple(parts),
            tuple(both[1] for both in digests),
        )

    def _embed(self, waiting: dict[str, np.ndarray]) -> None:
        if waiting:
            room = SAMPLED - len(self.sample_pixels)
            self.sample_pixels += list(waiting.values())[:room]
            vectors = self.encoders.images(np.stack(list(waiting.values())))
            self._pictures |= dict(zip(waiting, vectors, strict=True))
            waiting.clear()

    def _numbers(self, texts: tuple[str, str]) -> list[int]:
        found = []
        for text in texts:
            ids = tuple(self.encoders.tokenize.ids(text))
            if ids not in self._captions:
                self._captions[ids] = len(self._texts)
                self._texts.append(self.encoders.texts([text])[0])
                if len(self.sample_texts) < SAMPLED:
                    self.sample_texts.append(text)
            found.append(self._captions[ids])
        return found

    def _stacked(self, vectors: list[np.ndarray]) -> np.ndarray:
        return np.array(vectors, dtype=np.float32).reshape(-1, 2, self.width)
