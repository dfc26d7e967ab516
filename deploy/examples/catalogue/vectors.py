"""Reads the output of `clip-in embed`: the columns id, kind, text and embedding."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_AT_A_TIME = 1024


@dataclass(frozen=True)
class Vectors:
    """A file of embeddings. It is read in pieces, so its size does not matter."""

    path: Path

    @property
    def model(self) -> str:
        """Name of the model that computed them; embeddings of other models cannot be compared with them."""
        return self._file().schema_arrow.metadata[b"clip_in_model"].decode()

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self._file().schema_arrow.field("embedding").type.list_size

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows."""
        yield from self._file().iter_batches(ROWS_AT_A_TIME)

    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.path)
