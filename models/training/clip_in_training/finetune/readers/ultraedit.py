"""UltraEdit's Parquet files, and the ones that `scenes/` draws, which have the same columns."""

import hashlib
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers import edit_table
from clip_in_training.finetune.readers.files import Recent, common_folder, find, relative
from clip_in_training.finetune.readers.reader import FileIdentity, Reader, RecordError
from clip_in_training.finetune.readers.records import EditPair
from clip_in_training.finetune.recipe import SourceRecipe

CACHE_BYTES = 512 << 20
"""Decoded row groups kept by each process that reads."""
OPEN_FILES = 16


class UltraEdit(Reader):
    """A Parquet file, a folder of them, or a pattern.

    At start only footers and the columns of the filters are read. A row costs its row group, of which the
    last ones stay in memory. Raises `DataError` naming the file that has no readable footer or lacks a
    column.
    """

    role = "edits"

    def __init__(self, recipe: SourceRecipe):
        super().__init__(recipe)
        self.files = find(recipe, [".parquet"])
        self.root = common_folder(self.files)
        self.images = Path(recipe.images) if recipe.images else self.root
        self._columns: list[edit_table.Columns] = []
        self._footers: list[FileIdentity] = []
        self._handles: Recent[pq.ParquetFile] = Recent(OPEN_FILES)
        self._tables: Recent[pa.Table | RecordError] = Recent(CACHE_BYTES, _bytes)
        group_file, group_number, group_first, kept, sizes = [], [], [], [], []
        for number, path in enumerate(self.files):
            with _opened(path) as file:
                columns = edit_table.Columns(file.schema_arrow, recipe.filters, str(path))
                self._columns.append(columns)
                self._footers.append(self._footer(path))
                first = 0
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group)
                    self.total += rows.num_rows
                    self.group_bytes = max(self.group_bytes, rows.total_byte_size)
                    passing = self._passing(file, group, path)
                    count = rows.num_rows if passing is None else len(passing)
                    if count:
                        group_file.append(number)
                        group_number.append(group)
                        group_first.append(first)
                        sizes.append(count)
                        if passing is not None:
                            kept.append(passing)
                    first += rows.num_rows
        self._file = np.array(group_file, dtype=np.int32)
        self._group = np.array(group_number, dtype=np.int32)
        self._first = np.array(group_first, dtype=np.int64)
        """int64 [groups]: number in its file of the row group's first row, for names."""
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._kept = np.concatenate(kept) if kept else None
        """int32 [records]: row inside its row group; None if nothing was filtered."""
        self._length = self.limited(int(self._starts[-1]))

    def _passing(self, file: pq.ParquetFile, group: int, path: Path) -> np.ndarray | None:
        """Rows of a row group that pass the filters; None without filters."""
        if not self.recipe.filters:
            return None
        try:
            table = file.read_row_group(group, columns=list(self.recipe.filters), use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"cannot read the filters' columns of row group {group} of {path}: {error}"
            ) from error
        columns = {name: table.column(name) for name in self.recipe.filters}
        passes = edit_table.passing(columns, self.recipe.filters, self.left_out)
        return np.flatnonzero(passes).astype(np.int32)

    def __len__(self) -> int:
        return self._length

    def groups(self) -> list[range]:
        """The records of each row group."""
        bounds = np.minimum(self._starts, self._length).tolist()
        return [range(a, b) for a, b in itertools.pairwise(bounds) if a < b]

    def read(self, row: int) -> EditPair:
        """An edit; its row group is read if it is none of the last ones."""
        group, inside = self._place(row)
        file = self.files[self._file[group]]
        columns = self._columns[self._file[group]]
        cells = self._cells(group, inside, columns.all)
        return edit_table.pair(cells, columns, self.images, str(file), self._number(group, inside))

    def captions(self, row: int) -> list[str]:
        """The captions of both sides; only text columns are read."""
        group, inside = self._place(row)
        names = self._columns[self._file[group]].texts
        cells = self._cells(group, inside, names)
        return edit_table.texts(cells, names, str(self.files[self._file[group]]), self._number(group, inside))

    def _place(self, row: int) -> tuple[int, int]:
        """Of a record: its group, and its row inside the row group."""
        self.within(row)
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        inside = row - int(self._starts[group]) if self._kept is None else int(self._kept[row])
        return group, inside

    def _number(self, group: int, inside: int) -> int:
        """Of a row in its file."""
        return int(self._first[group]) + inside

    def _cells(self, group: int, inside: int, names: list[str]) -> dict:
        """Some cells of a row."""
        table = self._tables.get((group, len(names)), lambda: self._table(group, names))
        if isinstance(table, RecordError):
            raise RecordError(table.file, self._number(group, inside), table.reason, table.detail)
        return {name: table.column(name)[inside].as_py() for name in names}

    def _table(self, group: int, names: list[str]) -> pa.Table | RecordError:
        """A row group; that it cannot be read is remembered too, or each of its rows would try again."""
        path = self.files[self._file[group]]
        try:
            file = self._handles.get(path, lambda: pq.ParquetFile(path, memory_map=False, pre_buffer=False))
            return file.read_row_group(int(self._group[group]), columns=names, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            return RecordError(path, 0, "row group unreadable", str(error)[:200])

    def identity(self) -> Iterator[FileIdentity]:
        """The files by their footers."""
        yield from self._footers

    def _footer(self, path: Path) -> FileIdentity:
        """A footer has every column chunk's place, size and, mostly, statistics."""
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(size - 8)
            (length,) = struct.unpack("<I", file.read(4))
            file.seek(size - 8 - length)
            digest = hashlib.sha256(file.read(length)).hexdigest()
        return FileIdentity(relative(path, self.root), size, digest)


def _bytes(table: pa.Table | RecordError) -> int:
    return table.nbytes if isinstance(table, pa.Table) else 0


def _opened(path: Path) -> pq.ParquetFile:
    """Raises `DataError` if the file has no readable footer."""
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path} is not a whole Parquet file ({str(error)[:200]}); fetch it again, or leave it out"
        ) from error
