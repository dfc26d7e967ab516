"""What a format must offer: records by number, and which of them are cheap to read together."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.readers.records import EditPair, Single
from clip_in_training.finetune.recipe import SourceRecipe


class RecordError(Exception):
    """One record cannot be used. Training goes on without it, and counts it."""

    def __init__(self, file: str | Path, row: str | int, reason: str, detail: str = ""):
        super().__init__(str(file), str(row), reason, detail)
        self.file, self.row = str(file), str(row)
        self.reason = reason
        """Of a few, so that they can be counted: `image does not decode`."""
        self.detail = detail
        """Whatever else helps to find the cause."""

    def __str__(self) -> str:
        return f"{self.file}:{self.row}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


class FileIdentity(NamedTuple):
    """What tells one file from another without reading all of it."""

    name: str
    """Relative to the source's folder: moved data is the same data."""
    size: int
    digest: str
    """sha256 of the file, or of the part that describes it (a Parquet footer)."""


class Reader(ABC):
    """Records of one source, by number from 0.

    What is known at start is compact (arrays, not objects) and files are opened when first read, so that a
    reader can go to other processes, forked or spawned.
    """

    role: str = "singles"
    """edits | singles: what `read` gives."""
    group_bytes: int = 0
    """Memory that one group takes while rows of it are read; 0 if a row is read alone."""

    def __init__(self, recipe: SourceRecipe):
        self.recipe = recipe
        self.total = 0
        """Records in the files, before filters and limit."""
        self.left_out: dict[str, int] = {}
        """How many records each filter refuses; a record may fail several. What `limit` cuts off is not
        here.
        """
        self.notes: list[str] = []
        """What is wrong with the data and not fatal, one sentence each, found at start."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, row: int) -> EditPair | Single:
        """A record with its images decoded. Raises `RecordError`."""

    @abstractmethod
    def captions(self, row: int) -> list[str]:
        """All captions of a record, no image read. Raises `RecordError`, also if there is none."""

    def taught(self, row: int) -> np.ndarray | None:
        """The teacher's vector of the record's only caption, float32 [embedding_dim], for sources that have them."""
        return None

    def image_name(self, row: int) -> str:
        """The name of a record's image, for `exclude`. Raises `RecipeError` if the format has none, and
        `RecordError`.
        """
        raise RecipeError(f"{self}: its records have no image names to exclude by")

    @abstractmethod
    def groups(self) -> list[range]:
        """All rows, in runs that are cheap to read together: a row group, a tar. A format whose rows can be
        read one by one at no loss has one run.
        """

    @abstractmethod
    def identity(self) -> Iterator[FileIdentity]:
        """The files that the records come from, for the fingerprint."""

    def __str__(self) -> str:
        return f"{self.recipe.kind} {self.recipe.path}"

    def within(self, row: int) -> int:
        """`row`, if there is such a record; else IndexError."""
        if not 0 <= row < len(self):
            raise IndexError(f"{self}: record {row} of {len(self)}")
        return row

    def limited(self, count: int) -> int:
        """`count` records cut to the recipe's limit. Raises `DataError` if none is left."""
        if not count:
            refused = ", ".join(f"{name} refused {n}" for name, n in self.left_out.items())
            raise DataError(
                f"{self} has no records" + (f" left of {self.total}: {refused}" if refused else "")
            )
        return min(count, self.recipe.limit or count)
