"""Parts beside their golden sample, with statements about the change, as Parquet for `clip-in eval changes`."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa

from clip_in_training.scratch.scenes.boxes import changed_boxes
from clip_in_training.scratch.scenes.drawing import draw
from clip_in_training.scratch.scenes.generate import BOXES_TYPE, IMAGE_TYPE, encoded, write_shards
from clip_in_training.scratch.scenes.layout import Layout
from clip_in_training.scratch.scenes.setting import Setting
from clip_in_training.scratch.scenes.single_changes import NOTHING, Statement, question

SCHEMA = pa.schema(
    [
        ("source_image", IMAGE_TYPE),
        ("edited_image", IMAGE_TYPE),
        ("unchanged_image", IMAGE_TYPE),
        ("statements", pa.string()),
        ("statements_long", pa.string()),
        ("true_statement", pa.int32()),
        ("category", pa.string()),
        ("rejittered", pa.bool_()),
        ("boxes", BOXES_TYPE),
    ]
)
"""`statements` are JSON as in a request to `/v1/compare`: [{"text", "reference_text"}]. `unchanged_image` is the
golden sample's scene laid down anew. `category` is the attribute that changes, and `boxes` are where, in units of the
picture's side; empty where no part of its own shows it."""

Task = tuple[int, str, bool, int, int, Setting]


def write_changes(
    folder: Path, count: int, seed: int, size: int, statements: str, rejittered: bool, setting: Setting
) -> None:
    """Writes `count` rows of `size` x `size` pixels. With `rejittered` the part is laid down anew: another layout,
    light and noise than the golden sample's. The same seed gives the same bytes, and the same scenes either way.
    """
    tasks: Sequence[Task] = [(seed, statements, rejittered, number, size, setting) for number in range(count)]
    write_shards(_row, list(tasks), folder, "changes", SCHEMA, 2000, 1)


def _row(task: Task) -> dict[str, object]:
    seed, statements, rejittered, number, size, setting = task
    stream = np.random.SeedSequence([seed, zlib.crc32(statements.encode()), number])
    random = Random(int(np.random.default_rng(stream).integers(2**63)))
    asked = question(statements, random, setting)
    seeds = [random.getrandbits(62) for _ in range(3)]
    before, after = (Layout(seeds[place], setting.variety) for place in (0, int(rejittered)))
    anew = Layout(seeds[2], setting.variety)
    change = asked.changes[asked.true]
    boxes = []
    if change.edited != NOTHING:
        boxes = changed_boxes(change.edited, change.target, after)
        if not rejittered:
            boxes += changed_boxes(change.edited, asked.source, before)
    name = f"{seed}-{statements}-{number:06d}"
    return {
        "source_image": encoded(draw(asked.source, before, size), f"{name}-source.webp"),
        "edited_image": encoded(draw(change.target, after, size), f"{name}-edited.webp"),
        "unchanged_image": encoded(draw(asked.source, anew, size), f"{name}-unchanged.webp"),
        "statements": _json(asked.statements),
        "statements_long": _json(asked.long),
        "true_statement": asked.true,
        "category": change.edited,
        "rejittered": rejittered,
        "boxes": boxes,
    }


def _json(statements: list[Statement]) -> str:
    return json.dumps([{"text": each.text, "reference_text": each.reference_text} for each in statements])
