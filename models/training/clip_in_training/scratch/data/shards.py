"""The Parquet shards of a data set and the fingerprint of its content."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq

from clip_in_training.common.errors import DataError


def shards(folder: Path, kind: str) -> list[Path]:
    """The shards `<kind>-*.parquet` of a folder, in order; an empty list if there is none."""
    return sorted(folder.glob(f"{kind}-*.parquet"))


def read_rows(folder: Path, kind: str, columns: list[str]):
    """Yields the rows of all shards as dictionaries, a row group at a time.

    Raises `DataError`, which names the file, if a shard is unreadable or lacks a column.
    """
    found = shards(folder, kind)
    if not found:
        raise DataError(f"no {kind}-*.parquet in {folder}; run `python -m clip_in_training generate` first")
    for path in found:
        try:
            file = pq.ParquetFile(path)
            missing = set(columns) - set(file.schema_arrow.names)
            if missing:
                raise DataError(f"{path} lacks the column(s) {', '.join(sorted(missing))}")
            for batch in file.iter_batches(batch_size=256, columns=columns):
                yield from batch.to_pylist()
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {path} ({error}); delete it and run `generate` again") from error


def fingerprint(root: Path) -> str:
    """sha256 over names and bytes of every shard below `root`, in order of their relative paths."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.parquet")):
        digest.update(path.relative_to(root).as_posix().encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
