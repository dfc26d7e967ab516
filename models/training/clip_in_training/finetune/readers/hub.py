"""An editing data set of the Hub, with UltraEdit's columns, through `datasets`: fetched once, then read
from its Arrow files.
"""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers import edit_table
from clip_in_training.finetune.readers.reader import FileIdentity, Reader
from clip_in_training.finetune.readers.records import EditPair
from clip_in_training.finetune.recipe import SourceRecipe

_EVALUATION = ("test", "validation", "valid", "val", "dev")
"""Splits that are not taken unless they are named."""
RUN = 1000
"""Rows that are taken as lying near each other."""


class HubEdits(Reader):
    """`path = "hub:NAME[:SPLIT]"`. SPLIT may be a pattern (`FreeForm_*`); without one it is `train` if there is such
    a split, else all of them: UltraEdit's are `FreeForm_0`, `FreeForm_1` … (data/FreeForm_0-00000-of-00002.parquet).

    Rows are mapped, not loaded. Raises `DataError` if the data set cannot be had, or lacks a column.
    """

    role = "edits"

    def __init__(self, recipe: SourceRecipe):
        super().__init__(recipe)
        self.name, _, split = recipe.path.removeprefix("hub:").partition(":")
        # Slow to import, and only this kind needs it.
        import datasets

        self.split = split or "train"
        try:
            self.split = _chosen(datasets.get_dataset_split_names(self.name), split)
            rows = datasets.load_dataset(self.name, split=self.split)
        # The library raises its own errors, those of HTTP, of the Hub's client, of the file system …
        except Exception as error:
            what = f"the split {self.split} of {self.name}"
            raise DataError(f"cannot load {what}: {str(error)[:500]}") from error
        self.columns = edit_table.Columns(rows.features.arrow_schema, recipe.filters, self.name)
        # Undecoded: bytes and path as they are stored.
        for name in (edit_table.SOURCE_IMAGE, self.columns.target_image):
            if isinstance(rows.features[name], datasets.Image):
                rows = rows.cast_column(name, datasets.Image(decode=False))
        info = rows.info
        self.fingerprint = f"{info.version}, {info.dataset_size} bytes, {info.download_size} fetched"
        self.total = len(rows)
        self._kept = self._passing(rows) if recipe.filters else None
        self.rows = rows.select_columns(self.columns.all)
        self.texts = rows.select_columns(self.columns.texts)
        self._length = self.limited(self.total if self._kept is None else len(self._kept))

    def _passing(self, rows) -> np.ndarray:
        """int32: rows that pass the filters."""
        columns = {name: rows.data.column(name) for name in self.recipe.filters}
        return np.flatnonzero(edit_table.passing(columns, self.recipe.filters, self.left_out)).astype(
            np.int32
        )

    def __len__(self) -> int:
        return self._length

    def groups(self) -> list[range]:
        """Runs of rows."""
        return [range(a, min(a + RUN, self._length)) for a in range(0, self._length, RUN)]

    def _number(self, row: int) -> int:
        self.within(row)
        return row if self._kept is None else int(self._kept[row])

    def read(self, row: int) -> EditPair:
        """An edit."""
        number = self._number(row)
        images = Path(self.recipe.images)
        return edit_table.pair(self.rows[number], self.columns, images, self.name, number)

    def captions(self, row: int) -> list[str]:
        """The captions of both sides; only text columns are read."""
        number = self._number(row)
        return edit_table.texts(self.texts[number], self.columns.texts, self.name, number)

    def identity(self) -> Iterator[FileIdentity]:
        """The data set as the Hub describes it."""
        yield FileIdentity(f"{self.name}:{self.split}", self.total, self.fingerprint)


def _chosen(names: Sequence[str], pattern: str) -> str:
    """The splits that are read, in their natural order, as `datasets` writes several."""
    if pattern:
        found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    else:
        found = ["train"] if "train" in names else [name for name in names if name not in _EVALUATION]
    if not found:
        raise DataError(f"it has the splits {', '.join(names)}")
    return "+".join(
        sorted(found, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)])
    )
