"""Drawn parts beside their golden sample, and other data in the same columns, as features of each statement."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from clip_in_training.adapt.encoders import Encoders
from clip_in_training.export.statements.features import features
from clip_in_training.scratch.data.changes import write_changes
from clip_in_training.scratch.data.shards import read_rows
from clip_in_training.scratch.scenes.setting import Setting
from clip_in_training.scratch.scenes.single_changes import ALL, NINE

IMAGES = ("source_image", "edited_image")
STATEMENTS = ("statements", "statements_long")


@dataclass(frozen=True)
class Question:
    """Statements about one picture."""

    features: np.ndarray
    """float64 [statements, features]"""
    true: int
    """The row that is true."""


def draw_questions(folder: Path, count: int, seed: int, size: int, languages: Sequence[str]) -> list[Path]:
    """Draws `count` parts for each language, choice of statements and layout; returns their folders."""
    drawn = []
    for language in languages:
        for statements in (NINE, ALL):
            for rejittered in (False, True):
                drawn.append(folder / f"{language}-{statements}-{'anew' if rejittered else 'same'}")
                setting = Setting(language=language)
                write_changes(drawn[-1], count, seed, size, statements, rejittered, setting)
    return drawn


def read_questions(folder: Path, encoders: Encoders) -> list[Question]:
    """The questions of a folder of `changes-*.parquet`, with short and with long statements."""
    rows = list(read_rows(folder, "changes", [*IMAGES, *STATEMENTS, "true_statement"]))
    pictures = [
        encoders.pixels(Image.open(io.BytesIO(row[name]["bytes"]))) for row in rows for name in IMAGES
    ]
    images = encoders.images(np.stack(pictures)).reshape(len(rows), 2, -1)
    texts: dict[str, int] = {}
    asked = []
    for row, (reference, picture) in zip(rows, images, strict=True):
        for column in STATEMENTS:
            if row[column] is not None:
                said = json.loads(row[column])
                pairs = [
                    [texts.setdefault(each[key], len(texts)) for key in ("text", "reference_text")]
                    for each in said
                ]
                asked.append((picture, reference, np.array(pairs), int(row["true_statement"])))
    vectors = encoders.texts(list(texts))
    return [
        Question(features(picture, reference, *(vectors[pairs[:, side]] for side in (0, 1))), true)
        for picture, reference, pairs, true in asked
    ]
