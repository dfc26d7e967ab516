"""The folder that `clip-in line export` writes: edit pairs in UltraEdit's columns, a file for each split."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers import edit_table
from clip_in_training.finetune.readers.captions import caption
from clip_in_training.finetune.readers.images import decode, read_image
from clip_in_training.finetune.readers.reader import RecordError

SPLITS = ("train", "validation", "test")
OWN = ("id", "kind", "part", "category")
"""Columns beside UltraEdit's that are read where they exist; all others are ignored."""
ROWS = 8
"""Rows in memory at a time: photographs of cameras have megabytes."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture; `digest` is the same for the same bytes."""

    digest: str
    image: Image.Image


@dataclass(frozen=True)
class Pair:
    """A good part and a defective one, or any other edit: two pictures and what is true of each."""

    pictures: tuple[Picture, Picture]
    captions: tuple[str, str]
    kind: str | None
    """The kind of defect, if the line has kinds."""
    part: str
    """Pairs of a part stay together when the pairs are divided."""

    @property
    def fact(self) -> str:
        """What a table counts it under: its kind, else what the second caption says."""
        return self.kind or self.captions[1]


@dataclass
class Broken:
    """Records that cannot be used, and how many there were in all."""

    read: int = 0
    records: list[RecordError] = field(default_factory=list)


class PairFolder:
    """`train.parquet`, `validation.parquet`, `test.parquet`, or shards such as `train-00000.parquet`.

    Any of them may be missing or empty. Raises `DataError` if all are missing, or naming the file that is no Parquet
    or lacks a column.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        if not folder.is_dir():
            raise DataError(f"--pairs {folder} is no folder; `clip-in line export` writes one")
        self.files = {split: _files(folder, split) for split in SPLITS}
        if not any(self.files.values()):
            raise DataError(
                f"{folder} has none of {', '.join(f'{split}.parquet' for split in SPLITS)}; "
                "`clip-in line export` writes them"
            )

    def digest(self) -> str:
        """sha256 over the names and bytes of all files."""
        return files_digest([path for paths in self.files.values() for path in paths])

    def read(self, split: str, broken: Broken) -> Iterator[Pair]:
        """The pairs of a split in the order of the files. What cannot be used is added to `broken`."""
        for path in self.files[split]:
            yield from read_file(path, broken)


def files_digest(paths: list[Path]) -> str:
    """sha256 over the names and bytes of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def read_file(path: Path, broken: Broken) -> Iterator[Pair]:
    """The pairs of one Parquet file."""
    try:
        with pq.ParquetFile(path) as file:
            columns = edit_table.Columns(file.schema_arrow, (), str(path))
            names = {*columns.all, *(name for name in OWN if name in file.schema_arrow.names)}
            number = 0
            for batch in file.iter_batches(batch_size=ROWS, columns=sorted(names), use_threads=False):
                for row in batch.to_pylist():
                    broken.read += 1
                    try:
                        yield _pair(row, columns, path, number)
                    except RecordError as error:
                        broken.records.append(error)
                    number += 1
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path} is not a whole Parquet file ({str(error)[:200]}); export the pairs again"
        ) from error


def _files(folder: Path, split: str) -> list[Path]:
    whole = folder / f"{split}.parquet"
    return [*([whole] if whole.is_file() else []), *sorted(folder.glob(f"{split}-*.parquet"))]


def _pair(row: dict[str, Any], columns: edit_table.Columns, path: Path, number: int) -> Pair:
    said = [caption(row[name]) for name in edit_table.CAPTIONS]
    for name, text in zip(edit_table.CAPTIONS, said, strict=True):
        if text is None:
            raise RecordError(path, number, f"no {name}")
    source, target = (text or "" for text in said)
    if source == target:
        raise RecordError(path, number, "both captions are the same", source[:60])
    names = (edit_table.SOURCE_IMAGE, columns.target_image)
    pictures = [_picture(row[name], path, f"{number} ({name})") for name in names]
    if pictures[0].digest == pictures[1].digest:
        raise RecordError(path, number, "both pictures are the same")
    kind = caption(row.get("kind")) or caption(row.get("category"))
    # Without a part, pairs of the same picture belong together.
    part = caption(row.get("part")) or pictures[1].digest
    return Pair((pictures[0], pictures[1]), (source, target), kind, part)


def _picture(cell: Any, path: Path, row: str) -> Picture:
    data, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    if isinstance(data, str):
        data, name = None, data
    if not data and name:
        image = read_image(path.parent / name, path, row)
        return Picture(hashlib.sha256((path.parent / name).read_bytes()).hexdigest(), image)
    return Picture(hashlib.sha256(data or b"").hexdigest(), decode(data, path, row))
