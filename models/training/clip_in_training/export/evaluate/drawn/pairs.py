"""Fresh edits, and which of their four comparisons a model gets right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.evaluate.pairs import pair_is_right, pair_similarity
from clip_in_training.scratch.scenes.attributes import NONE
from clip_in_training.scratch.scenes.coverage import APPEARS, SWAPPED
from clip_in_training.scratch.scenes.generate import EditPair, edit_pair, stream


def draw_pairs(category: str, seed: int, count: int, size: int) -> list[EditPair]:
    """Edits of the test split, which training never draws from, whatever its seed."""
    return [edit_pair(category, stream(seed, "test", category, index), size) for index in range(count)]


def array(image: Image.Image) -> np.ndarray:
    """uint8 [size, size, 3]."""
    return np.asarray(image.convert("RGB"))


@dataclass
class Outcome:
    """What a model makes of pairs; every array has a row a pair, and a tie is wrong."""

    categories: np.ndarray
    changed: np.ndarray
    """The edited attribute and the kind of change: "extra, none <-> x"."""
    seeds: np.ndarray
    text_to_image: np.ndarray
    """Both texts prefer their image: MMVP-VLM's rule."""
    image_to_text: np.ndarray
    """Both images prefer their text."""
    noticed: np.ndarray
    """int, 0 to 2: images that prefer their text; a guessing model has 1 on average."""

    @property
    def both(self) -> np.ndarray:
        """All four comparisons."""
        return self.text_to_image & self.image_to_text


def kind_of_change(pair: EditPair) -> str:
    """The attribute that was edited, and whether something appeared or one thing took the place of another."""
    before, after = pair.source.attributes, pair.target.attributes
    names = [name for name in before if before[name] != after[name]]
    appears = any(NONE in (before[name], after[name]) for name in names)
    return f"{pair.edited}, {APPEARS if appears else SWAPPED}"


def measure_pairs(
    graphs: Graphs,
    pairs: Sequence[EditPair],
    seeds: Sequence[int],
    images: np.ndarray,
    texts: Sequence[Sequence[str]],
) -> Outcome:
    """`images` are their vectors [pairs, 2, embedding_dim]; `texts` two captions a pair."""
    vectors = graphs.encode_texts([text for both in texts for text in both])
    similarity = pair_similarity(images, vectors.reshape(len(pairs), 2, -1))
    swapped = similarity.transpose(0, 2, 1)
    first = similarity[:, 0, 0] > similarity[:, 0, 1]
    second = similarity[:, 1, 1] > similarity[:, 1, 0]
    return Outcome(
        np.array([pair.category for pair in pairs]),
        np.array([kind_of_change(pair) for pair in pairs]),
        np.array(seeds),
        pair_is_right(similarity),
        pair_is_right(swapped),
        first.astype(int) + second.astype(int),
    )


def encode_pairs(graphs: Graphs, pairs: Sequence[EditPair]) -> np.ndarray:
    """Vectors of both images, [pairs, 2, embedding_dim]."""
    sides = [array(side.image) for pair in pairs for side in (pair.source, pair.target)]
    return graphs.encode_images(np.stack(sides)).reshape(len(pairs), 2, -1)


def captions(pairs: Sequence[EditPair], kind: str) -> list[tuple[str, str]]:
    """`kind`: "caption" (short) or "caption_long"."""
    return [(getattr(pair.source, kind), getattr(pair.target, kind)) for pair in pairs]
