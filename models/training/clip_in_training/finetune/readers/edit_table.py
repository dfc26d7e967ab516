"""The columns of an editing data set, as UltraEdit names them: what is needed, and how a row becomes a
record.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.captions import caption
from clip_in_training.finetune.readers.images import decode, read_image
from clip_in_training.finetune.readers.reader import RecordError
from clip_in_training.finetune.readers.records import EditPair, View

SOURCE_IMAGE = "source_image"
TARGET_IMAGES = ("edited_image", "target_image")
"""The first of these that is there."""
CAPTIONS = ("source_caption", "target_caption")
LONG_CAPTIONS = ("source_caption_long", "target_caption_long")
PROMPT = "edit_prompt"
OPTIONAL = (*LONG_CAPTIONS, "category", PROMPT)


class Columns:
    """Which columns of a schema are read. Raises `DataError` naming `file` and the column that is missing or
    has the wrong type.
    """

    def __init__(self, schema: pa.Schema, filters: Iterable[str], file: str):
        names = set(schema.names)
        self.target_image = next((name for name in TARGET_IMAGES if name in names), TARGET_IMAGES[0])
        wanted = (SOURCE_IMAGE, self.target_image, *CAPTIONS, *filters)
        missing = [name for name in wanted if name not in names]
        if missing:
            raise DataError(f"{file} lacks the column {missing[0]}; it has {', '.join(sorted(names))}")
        for name in CAPTIONS:
            if not _is_text(schema.field(name).type):
                raise DataError(f"{file}: the column {name} must be text, not {schema.field(name).type}")
        for name in filters:
            kind = schema.field(name).type
            if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
                raise DataError(f"{file}: the column {name} must be numbers to be filtered by, not {kind}")
        self.texts = [*CAPTIONS, *(name for name in OPTIONAL if name in names)]
        self.all = [SOURCE_IMAGE, self.target_image, *self.texts]


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def passing(
    columns: dict[str, pa.ChunkedArray], smallest: dict[str, float], left_out: dict[str, int]
) -> np.ndarray:
    """bool [rows]: which rows reach every smallest value. A row without a value does not. Adds the refused
    rows of each column to `left_out`.
    """
    passes = np.ones(len(next(iter(columns.values()))), dtype=bool)
    for name, least in smallest.items():
        enough = pc.fill_null(pc.greater_equal(columns[name], pa.scalar(least, pa.float64())), False)
        enough = enough.to_numpy(zero_copy_only=False).astype(bool)
        left_out[name] = left_out.get(name, 0) + int((~enough).sum())
        passes &= enough
    return passes


def pair(row: dict, columns: Columns, images: Path, file: str, number: str | int) -> EditPair:
    """A row as a record; `images` is where paths start from. Raises `RecordError`."""
    views = []
    for side, image_column in enumerate((SOURCE_IMAGE, columns.target_image)):
        short = caption(row[CAPTIONS[side]])
        if short is None:
            raise RecordError(file, number, f"no {CAPTIONS[side]}")
        image = _image(row[image_column], images, file, f"{number} ({image_column})")
        views.append(View(image, short, caption(row.get(LONG_CAPTIONS[side]))))
    source, target = views
    return EditPair(
        source, target, name=f"{file}:{number}", category=row.get("category"), prompt=caption(row.get(PROMPT))
    )


def _image(cell: Any, images: Path, file: str, number: str):
    if isinstance(cell, dict):
        data, path = cell.get("bytes"), cell.get("path")
        if not data and path:
            return read_image(images / path, file, number)
        return decode(data, file, number)
    if isinstance(cell, str):
        return read_image(images / cell, file, number)
    return decode(cell, file, number)


def texts(row: dict, names: Sequence[str], file: str, number: str | int) -> list[str]:
    """The captions of a row, short ones first. Raises `RecordError` if there is none."""
    cells = (caption(row[name]) for name in (*CAPTIONS, *LONG_CAPTIONS) if name in names)
    found = [text for text in cells if text]
    if not found:
        raise RecordError(file, number, "no caption")
    return found
