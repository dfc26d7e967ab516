"""What is replayed: edits of drawn scenes, and sentences that name things. Nothing is fetched for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clip_in_training.adapt.embedded import Embedder
from clip_in_training.adapt.encoders import Encoders
from clip_in_training.adapt.pairs import Broken, Pair, Picture, read_file
from clip_in_training.adapt.replay import Replay, replay_of
from clip_in_training.common.errors import DataError
from clip_in_training.common.recipe import parse_toml
from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES
from clip_in_training.scratch.scenes.generate import edit_pair, stream
from clip_in_training.scratch.scenes.setting import ALL, NARROW, SEEN, Setting
from clip_in_training.small.classes import class_sentences

SEED = 40_000
"""No training and no benchmark draws with it."""
FEWEST = 20
"""Edits of a replay folder."""


def drawn_replay(encoders: Encoders, manifest: dict[str, Any], edits: int, seed: int = SEED) -> Replay:
    """Drawn edits, the same number of each category, and names of things for a bundle that knows more than drawings.

    A bundle whose recipe holds scenes out gets none of these.
    """
    source = manifest.get("provenance", {})
    recipe = parse_toml(source.get("recipe_text", ""), "the recipe in bundle.json")
    seen = recipe.get("data", {}).get("held_out") is True
    width = manifest["embedding_dim"]
    pairs = _drawn(edits, seed, encoders.preprocess.height, Setting(NARROW, SEEN if seen else ALL))
    embedded = Embedder(encoders, width)(pairs)
    drawings_only = "recipe_text" in source and not {"text_shape", "backbone"} & source.keys()
    names = [] if drawings_only else _names()
    alone = encoders.texts(names) if names else np.zeros((0, width), dtype=np.float32)
    what = f"{len(embedded)} drawn edits" + (f" and {len(names)} names of things" if names else "")
    return replay_of(embedded, alone, what)


def replay_of_folder(encoders: Encoders, width: int, folder: Path, broken: Broken) -> Replay:
    """Edits in all Parquet files below a folder. Raises `DataError` if they are too few."""
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise DataError(f"--replay {folder}: no .parquet file in this folder")
    pairs = (pair for path in files for pair in read_file(path, broken))
    embedded = Embedder(encoders, width)(pairs)
    if len(embedded) < FEWEST:
        raise DataError(
            f"--replay {folder} has {len(embedded)} edits that can be used; at least {FEWEST} are needed"
        )
    return replay_of(embedded, np.zeros((0, width), dtype=np.float32), f"{len(embedded)} edits of a folder")


def _drawn(count: int, seed: int, size: int, setting: Setting) -> Iterator[Pair]:
    for number in range(count):
        category = ALL_CATEGORIES[number % len(ALL_CATEGORIES)]
        drawn = edit_pair(category, stream(seed, "validation", category, number), size, setting)
        source, target = (
            Picture(f"{number} {side}", scene.image)
            for side, scene in enumerate((drawn.source, drawn.target))
        )
        # Every other edit of a category with its long captions: short ones alone would not hold them in place.
        is_long = number // len(ALL_CATEGORIES) % 2 == 1
        captions = (
            (drawn.source.caption_long, drawn.target.caption_long)
            if is_long
            else (drawn.source.caption, drawn.target.caption)
        )
        yield Pair((source, target), captions, category, str(number))


def _names() -> list[str]:
    try:
        return class_sentences()
    except DataError as missing:
        print(f"replay without names of things: {missing}")
        return []
