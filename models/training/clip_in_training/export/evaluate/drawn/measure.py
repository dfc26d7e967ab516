"""All measurements of a bundle of the drawn scenes, seed by seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any

import numpy as np

from clip_in_training.export.evaluate.drawn.absolute import Answers, classify
from clip_in_training.export.evaluate.drawn.pairs import (
    Outcome,
    array,
    captions,
    draw_pairs,
    encode_pairs,
    measure_pairs,
)
from clip_in_training.export.evaluate.drawn.shifts import IMAGES, TEXTS
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES, CATEGORIES
from clip_in_training.scratch.scenes.generate import EditPair, single_scene, stream


@dataclass
class Measured:
    """What the tables are made of. Rows of all seeds are together; `Outcome.seeds` tells them apart."""

    short: Outcome
    """Edits of all categories with their short captions."""
    long: Outcome
    answers: dict[str, Answers]
    shifts: dict[str, Outcome]
    """Name of a shift -> edits of MMVP's categories under it, short captions; "as trained" is without any. The first
    seed only.
    """
    scenes: int
    """Single scenes that `answers` is about."""


def measure_drawn(
    graphs: Graphs,
    size: int,
    seeds: Sequence[int],
    pairs: int,
    scenes: int,
    told: Callable[[str], Any] = print,
) -> Measured:
    """`size`: side of the images in pixels; `pairs` edits a category and seed, `scenes` single scenes a seed. `told`
    is called with a line of progress now and then. One seed's pictures are in memory at a time.
    """
    short, long, shifts, chosen = [], [], {}, []
    for turn, seed in enumerate(seeds):
        drawn = [pair for name in ALL_CATEGORIES for pair in draw_pairs(name, seed, pairs, size)]
        images = encode_pairs(graphs, drawn)
        of_seed = [seed] * len(drawn)
        short.append(measure_pairs(graphs, drawn, of_seed, images, captions(drawn, "caption")))
        long.append(measure_pairs(graphs, drawn, of_seed, images, captions(drawn, "caption_long")))
        if turn == 0:
            shifts = _shifted(graphs, drawn, of_seed, images)
        singles = [single_scene(stream(seed, "test", "scene", index), size) for index in range(scenes)]
        chosen.append(classify(graphs, singles))
        told(f"seed {seed}: measured ({turn + 1} of {len(seeds)})")
    return Measured(_joined(short), _joined(long), _answers(chosen), shifts, scenes * len(seeds))


def _shifted(
    graphs: Graphs, drawn: Sequence[EditPair], seeds: Sequence[int], images: np.ndarray
) -> dict[str, Outcome]:
    rows = [row for row, pair in enumerate(drawn) if pair.category in CATEGORIES]
    pairs, images, seeds = [drawn[row] for row in rows], images[rows], [seeds[row] for row in rows]
    said = captions(pairs, "caption")
    found = {"as trained": measure_pairs(graphs, pairs, seeds, images, said)}
    for name, change in TEXTS.items():
        random = Random(1)
        other = [(change(a, random), change(b, random)) for a, b in said]
        found[name] = measure_pairs(graphs, pairs, seeds, images, other)
    for name, worsen in IMAGES.items():
        random = Random(1)
        sides = [array(worsen(side.image, random)) for pair in pairs for side in (pair.source, pair.target)]
        vectors = graphs.encode_images(np.stack(sides)).reshape(len(pairs), 2, -1)
        found[name] = measure_pairs(graphs, pairs, seeds, vectors, said)
    return found


def _joined(parts: Sequence[Outcome]) -> Outcome:
    return Outcome(
        **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Outcome)}
    )


def _answers(parts: Sequence[dict[str, Answers]]) -> dict[str, Answers]:
    return {
        name: Answers(
            [value for part in parts for value in part[name].chosen],
            [value for part in parts for value in part[name].true],
            float(np.mean([part[name].chance for part in parts])),
        )
        for name in parts[0]
    }
