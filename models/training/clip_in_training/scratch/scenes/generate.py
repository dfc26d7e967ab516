"""Writes drawn scenes and edits to Parquet; the same seed gives the same bytes.

Every row has its own random stream, derived from (seed, split, kind of row, index). So a file does not depend on
the number of worker processes, and a longer run begins with the rows of a shorter one. Splits share no stream,
because the split is part of the derivation. Pictures are lossless WebP.

With more than one worker, a script that calls this needs the usual ``if __name__ == "__main__"``.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from clip_in_training.common.whole_file import replacing
from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES
from clip_in_training.scratch.scenes.boxes import EVERYTHING, Box, kept_boxes
from clip_in_training.scratch.scenes.drawing import code_places, draw
from clip_in_training.scratch.scenes.edits import Edit
from clip_in_training.scratch.scenes.layout import Layout
from clip_in_training.scratch.scenes.setting import NARROW, TODAY, Setting
from clip_in_training.scratch.scenes.wide.edits import Change

SPLITS = ("train", "validation", "test")

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

PLACES_TYPE = pa.list_(pa.list_(pa.float32()))
"""(x, y) of each character of the code, in units of the picture's side."""

QUALITY_COLUMNS = (
    "clip_sim_source",
    "clip_sim_target",
    "clip_sim_dir",
    "clip_sim_image",
    "dinov2_sim",
    "ssim",
)
"""UltraEdit's measures. They need pre-trained encoders, which are not available here, so they are null."""

EDIT_SCHEMA = pa.schema(
    [
        ("source_image", IMAGE_TYPE),
        ("edited_image", IMAGE_TYPE),
        ("source_caption", pa.string()),
        ("target_caption", pa.string()),
        ("edit_prompt", pa.string()),
        *[(name, pa.float64()) for name in QUALITY_COLUMNS],
        ("source_caption_long", pa.string()),
        ("target_caption_long", pa.string()),
        ("category", pa.string()),
        ("source_attributes", pa.string()),
        ("target_attributes", pa.string()),
        ("source_code_places", PLACES_TYPE),
        ("target_code_places", PLACES_TYPE),
        ("rejittered", pa.bool_()),
    ]
)
"""UltraEdit's columns, then ours. The attributes are JSON objects with the keys of ``ATTRIBUTES``."""

SCENE_SCHEMA = pa.schema(
    [
        ("image", IMAGE_TYPE),
        ("caption", pa.string()),
        ("caption_long", pa.string()),
        ("attributes", pa.string()),
        ("code_places", PLACES_TYPE),
    ]
)

BOXES_TYPE = pa.list_(pa.list_(pa.float32()))
"""Boxes: left, top, right, bottom in units of the picture's side."""

SAID = pa.field("said", pa.list_(pa.string()))
"""A column more in the wide language: the facts that the short captions mention (`wide.captions.fits` reads them)."""


@dataclass(frozen=True)
class Scene:
    """One picture and its captions and labels."""

    image: Image.Image
    caption: str
    caption_long: str
    attributes: dict[str, str]
    said: frozenset[str]
    """Attributes that the short caption mentions besides object and colour (see ``captions.stated_attributes``)."""
    code_places: list[tuple[float, float]]
    """(x, y) of each character of the code, in units of the picture's side."""
    keep: list[Box]
    """Boxes of what must stay in sight when the picture is varied: what an edit changes, and the tag."""


@dataclass(frozen=True)
class EditPair:
    """A scene before and after one change."""

    category: str
    edited: str
    source: Scene
    target: Scene
    instruction: str
    rejittered: bool


def _scene(
    attributes: dict[str, str],
    said: set[str],
    seed: int,
    wording: int,
    size: int,
    setting: Setting,
    edited: str,
) -> Scene:
    layout = Layout(seed, setting.variety)
    return Scene(
        draw(attributes, layout, size),
        setting.short(attributes, said, Random(wording)),
        setting.long(attributes, Random(wording + 1)),
        attributes,
        frozenset(said),
        code_places(attributes, layout),
        kept_boxes(edited, attributes, layout),
    )


def single_scene(rng: np.random.Generator, size: int = 128, setting: Setting = TODAY) -> Scene:
    """Draw one scene of ``size`` x ``size`` pixels."""
    random = Random(int(rng.integers(2**63)))
    attributes = setting.attributes(random)
    said = setting.said(attributes, random)
    layout, wording = random.getrandbits(62), random.getrandbits(62)
    return _scene(attributes, said, layout, wording, size, setting, EVERYTHING)


def edit_pair(category: str, rng: np.random.Generator, size: int = 128, setting: Setting = TODAY) -> EditPair:
    """Draw a scene, change one thing of the given category, and draw it again.

    Half of the pairs share layout, light, noise and wording exactly; in the other half those are drawn again. Both
    captions mention the same facts, so that they differ in meaning in the changed attribute only. Raises ValueError
    for an unknown category.
    """
    random = Random(int(rng.integers(2**63)))
    return _pair(setting.edit(category, random), random, size, setting)


def change_pair(
    change: Change, rng: np.random.Generator, size: int = 128, setting: Setting = TODAY
) -> EditPair:
    """The same for one attribute and kind of change, whatever the category."""
    random = Random(int(rng.integers(2**63)))
    return _pair(setting.change(change, random), random, size, setting)


def _pair(edit: Edit, random: Random, size: int, setting: Setting) -> EditPair:
    said = setting.said(edit.source, random, edit)
    rejittered = random.random() < 0.5
    layouts = [random.getrandbits(62) for _ in range(2)]
    wordings = [random.getrandbits(62) for _ in range(2)]
    other = 1 if rejittered else 0
    source = _scene(edit.source, said, layouts[0], wordings[0], size, setting, edit.edited)
    target = _scene(edit.target, said, layouts[other], wordings[other], size, setting, edit.edited)
    return EditPair(edit.category, edit.edited, source, target, edit.instruction, rejittered)


def stream(seed: int, split: str, kind: str, index: int) -> np.random.Generator:
    """The random stream of one row. ``kind`` is a category, or "scene".

    Raises ValueError for a split that is not one of ``SPLITS``.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    return np.random.default_rng(
        np.random.SeedSequence([seed, SPLITS.index(split), zlib.crc32(kind.encode()), index])
    )


def encoded(image: Image.Image, path: str) -> dict[str, object]:
    """A picture as a value of the type `IMAGE_TYPE`: lossless WebP."""
    buffer = io.BytesIO()
    # A third smaller than PNG, and faster to write and to read. More effort brings nothing: the rest is noise.
    image.save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return {"bytes": buffer.getvalue(), "path": path}


def _edit_row(task: tuple[int, str, str, int, int, Setting]) -> dict[str, object]:
    seed, split, category, index, size, setting = task
    pair = edit_pair(category, stream(seed, split, category, index), size, setting)
    name = f"{split}-{seed}-{category}-{index:06d}"
    return {
        "source_image": encoded(pair.source.image, f"{name}-source.webp"),
        "edited_image": encoded(pair.target.image, f"{name}-target.webp"),
        "source_caption": pair.source.caption,
        "target_caption": pair.target.caption,
        "edit_prompt": pair.instruction,
        **dict.fromkeys(QUALITY_COLUMNS),
        "source_caption_long": pair.source.caption_long,
        "target_caption_long": pair.target.caption_long,
        "category": category,
        "source_attributes": json.dumps(pair.source.attributes),
        "target_attributes": json.dumps(pair.target.attributes),
        "source_code_places": pair.source.code_places,
        "target_code_places": pair.target.code_places,
        "rejittered": pair.rejittered,
        "said": sorted(pair.source.said),
        "source_keep": pair.source.keep,
        "target_keep": pair.target.keep,
    }


def _scene_row(task: tuple[int, str, int, int, Setting]) -> dict[str, object]:
    seed, split, index, size, setting = task
    scene = single_scene(stream(seed, split, "scene", index), size, setting)
    return {
        "image": encoded(scene.image, f"{split}-{seed}-scene-{index:06d}.webp"),
        "caption": scene.caption,
        "caption_long": scene.caption_long,
        "attributes": json.dumps(scene.attributes),
        "code_places": scene.code_places,
        "said": sorted(scene.said),
        "keep": scene.keep,
    }


def _rows(make: Callable, tasks: list, workers: int) -> Iterator[dict[str, object]]:
    if workers <= 1:
        yield from map(make, tasks)
        return
    # Processes are spawned, not forked, because the caller may already run PyTorch's threads.
    with multiprocessing.get_context("spawn").Pool(min(workers, max(1, len(tasks)))) as pool:
        yield from pool.imap(make, tasks, chunksize=16)


def write_shards(
    make: Callable, tasks: list, out_dir: Path, stem: str, schema: pa.Schema, shard_rows: int, workers: int
) -> None:
    """Write `make(task)` for each task to ``STEM-00000.parquet`` and so on, in order; older shards are replaced."""
    out_dir.mkdir(parents=True, exist_ok=True)
    for stale in out_dir.glob(f"{stem}-*.parquet"):
        stale.unlink()
    rows = _rows(make, tasks, workers)
    progress = tqdm(
        rows, total=len(tasks), desc=f"drawing {stem}", unit="row", disable=not sys.stderr.isatty()
    )
    shard: list[dict[str, object]] = []
    written = 0
    # Pictures are compressed already; compression helps captions and attributes only.
    compression = {f.name: "none" if f.type == IMAGE_TYPE else "zstd" for f in schema}

    def flush() -> None:
        nonlocal written
        target = out_dir / f"{stem}-{written:05d}.parquet"
        table = pa.Table.from_pylist(shard, schema=schema)
        with replacing(target) as partial:
            pq.write_table(table, partial, compression=compression, row_group_size=200)
        shard.clear()
        written += 1

    for row in progress:
        shard.append(row)
        if len(shard) == shard_rows:
            flush()
    if shard:
        flush()


def _columns(schema: pa.Schema, setting: Setting, keep: Sequence[str]) -> pa.Schema:
    """The columns; in the wide language also what is said, and the boxes of what must stay in sight."""
    if setting.language == NARROW:
        return schema
    return pa.schema([*schema, SAID, *[pa.field(name, BOXES_TYPE) for name in keep]])


def generate_edits(
    out_dir: Path,
    pairs_per_category: int,
    seed: int,
    size: int = 128,
    workers: int = 2,
    shard_rows: int = 2000,
    split: str = "train",
    categories: Sequence[str] = ALL_CATEGORIES,
    setting: Setting = TODAY,
) -> None:
    """Write ``edits-00000.parquet`` and so on: ``pairs_per_category`` edits of each category, interleaved.

    Files of an earlier run in ``out_dir`` are replaced. ``size`` is in pixels, ``shard_rows`` in rows a file.
    Raises ValueError for an unknown split.
    """
    stream(seed, split, "", 0)
    tasks = [
        (seed, split, category, i, size, setting)
        for i in range(pairs_per_category)
        for category in categories
    ]
    schema = _columns(EDIT_SCHEMA, setting, ("source_keep", "target_keep"))
    write_shards(_edit_row, tasks, Path(out_dir), "edits", schema, shard_rows, workers)


def generate_scenes(
    out_dir: Path,
    count: int,
    seed: int,
    size: int = 128,
    workers: int = 2,
    shard_rows: int = 4000,
    split: str = "train",
    setting: Setting = TODAY,
) -> None:
    """Write ``scenes-00000.parquet`` and so on: ``count`` single scenes.

    Files of an earlier run in ``out_dir`` are replaced. Raises ValueError for an unknown split.
    """
    stream(seed, split, "", 0)
    tasks = [(seed, split, i, size, setting) for i in range(count)]
    schema = _columns(SCENE_SCHEMA, setting, ("keep",))
    write_shards(_scene_row, tasks, Path(out_dir), "scenes", schema, shard_rows, workers)
