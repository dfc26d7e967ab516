"""Writes composed scenes and their edits to Parquet, in the columns of the drawn scenes; one seed, one result.

The columns are those of `scratch.scenes.generate`, so that the same trainers read both. `source_keep` and
`target_keep` say where the changed things are, so that nothing is put over them (`common.robustness`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
from PIL import Image

from clip_in_training.scratch.scenes import generate as drawn
from clip_in_training.scratch.scenes.boxes import Box
from clip_in_training.scratch.scenes.layout import Layout
from clip_in_training.small.pictures.compose import draw
from clip_in_training.small.pictures.edits import CATEGORIES, Edit, sample_edit
from clip_in_training.small.pictures.instruction import instruction
from clip_in_training.small.pictures.nature import pool
from clip_in_training.small.pictures.scene import Scene, sample_scene
from clip_in_training.small.pictures.wording import choose_said, long_caption, sample_wording, short_caption

EDIT_SCHEMA = drawn.EDIT_SCHEMA.append(pa.field("source_keep", drawn.BOXES_TYPE)).append(
    pa.field("target_keep", drawn.BOXES_TYPE)
)
SCENE_SCHEMA = drawn.SCENE_SCHEMA.append(pa.field("keep", drawn.BOXES_TYPE))


@dataclass(frozen=True)
class Picture:
    """One picture with what can be said of it."""

    image: Image.Image
    caption: str
    caption_long: str
    scene: Scene
    keep: list[Box]
    """Boxes of what an edit changes; of everything for a single scene."""


@dataclass(frozen=True)
class EditPair:
    """A scene before and after one change."""

    edit: Edit
    source: Picture
    target: Picture
    instruction: str
    rejittered: bool


def single_scene(rng: np.random.Generator, size: int = 160, which: str = "seen") -> Picture:
    """Draws one scene of `size` x `size` pixels with things of a pool ("seen", "held out", "all")."""
    random = Random(int(rng.integers(2**63)))
    scene = sample_scene(pool(which), random)
    picture = draw(scene, Layout(random.getrandbits(62)), size)
    return Picture(
        picture.image,
        short_caption(scene, choose_said(scene, random), sample_wording(random)),
        long_caption(scene, random.getrandbits(62)),
        scene,
        [box for boxes in picture.boxes for box in boxes],
    )


def edit_pair(category: str, rng: np.random.Generator, size: int = 160, which: str = "seen") -> EditPair:
    """Draws a scene, changes one thing of the given category, and draws it again.

    Half of the pairs share background, light, noise and wording exactly; in the other half these are drawn again, and
    only the style of the short captions is the same. Raises ValueError for an unknown category.
    """
    random = Random(int(rng.integers(2**63)))
    edit = sample_edit(category, random, which)
    said = choose_said(edit.source, random, edit)
    wording = sample_wording(random)
    rejittered = random.random() < 0.5
    seeds = [random.getrandbits(62) for _ in range(4)]
    pictures = []
    for side, (scene, changed) in enumerate(zip((edit.source, edit.target), edit.changed(), strict=True)):
        again = side if rejittered else 0
        picture = draw(scene, Layout(seeds[again]), size)
        own = replace(wording, seed=seeds[2 + again])
        keep = [box for k in changed for box in picture.boxes[k]]
        short, long = short_caption(scene, said, own), long_caption(scene, seeds[2 + again], edit.facts)
        pictures.append(Picture(picture.image, short, long, scene, keep))
    source, target = pictures
    return EditPair(edit, source, target, instruction(edit, random), rejittered)


def _edit_row(task: tuple[int, str, str, int, int, str]) -> dict[str, object]:
    seed, split, category, index, size, which = task
    pair = edit_pair(category, drawn.stream(seed, split, f"composed {category} {which}", index), size, which)
    name = f"{split}-{seed}-composed-{category}-{index:06d}"
    source, target = pair.source, pair.target
    return {
        "source_image": drawn.encoded(source.image, f"{name}-source.webp"),
        "edited_image": drawn.encoded(target.image, f"{name}-target.webp"),
        "source_caption": source.caption,
        "target_caption": target.caption,
        "edit_prompt": pair.instruction,
        **dict.fromkeys(drawn.QUALITY_COLUMNS),
        "source_caption_long": source.caption_long,
        "target_caption_long": target.caption_long,
        "category": category,
        "source_attributes": json.dumps(source.scene.attributes(), ensure_ascii=False),
        "target_attributes": json.dumps(target.scene.attributes(), ensure_ascii=False),
        "source_code_places": [],
        "target_code_places": [],
        "rejittered": pair.rejittered,
        "source_keep": source.keep,
        "target_keep": target.keep,
    }


def _scene_row(task: tuple[int, str, int, int, str]) -> dict[str, object]:
    seed, split, index, size, which = task
    picture = single_scene(drawn.stream(seed, split, f"composed scene {which}", index), size, which)
    return {
        "image": drawn.encoded(picture.image, f"{split}-{seed}-composed-scene-{index:06d}.webp"),
        "caption": picture.caption,
        "caption_long": picture.caption_long,
        "attributes": json.dumps(picture.scene.attributes(), ensure_ascii=False),
        "code_places": [],
        "keep": picture.keep,
    }


def generate_edits(
    out_dir: Path,
    pairs_per_category: int,
    seed: int,
    size: int = 160,
    workers: int = 2,
    shard_rows: int = 2000,
    split: str = "train",
    categories: Sequence[str] = CATEGORIES,
    which: str = "seen",
) -> None:
    """Writes `edits-00000.parquet` and so on: `pairs_per_category` edits of each category, interleaved.

    Files of an earlier run in `out_dir` are replaced. `size` is in pixels, `which` the pool of things.
    Raises ValueError for an unknown split or pool, and `DataError` if a pinned file is missing.
    """
    drawn.stream(seed, split, "", 0)
    pool(which)
    tasks = [(seed, split, c, i, size, which) for i in range(pairs_per_category) for c in categories]
    drawn.write_shards(_edit_row, tasks, Path(out_dir), "edits", EDIT_SCHEMA, shard_rows, workers)


def generate_scenes(
    out_dir: Path,
    count: int,
    seed: int,
    size: int = 160,
    workers: int = 2,
    shard_rows: int = 4000,
    split: str = "train",
    which: str = "seen",
) -> None:
    """Writes `scenes-00000.parquet` and so on: `count` single scenes. Raises as `generate_edits` does."""
    drawn.stream(seed, split, "", 0)
    pool(which)
    tasks = [(seed, split, i, size, which) for i in range(count)]
    drawn.write_shards(_scene_row, tasks, Path(out_dir), "scenes", SCENE_SCHEMA, shard_rows, workers)
