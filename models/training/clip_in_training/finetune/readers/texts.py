"""Texts without images: `texts.txt`, one a line, with or without `vectors.npy`, a teacher's vector of each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.captions import caption
from clip_in_training.finetune.readers.files import identity
from clip_in_training.finetune.readers.reader import FileIdentity, Reader, RecordError
from clip_in_training.finetune.readers.records import Single
from clip_in_training.finetune.recipe import SourceRecipe

TEXTS, VECTORS = "texts.txt", "vectors.npy"


class Texts(Reader):
    """A folder with the two files. Only stage 1 can read it.

    `vectors.npy` is float16 or float32 [texts, embedding_dim], unit vectors of the whole texts, in the order of the
    lines. Stage 1 then needs no teacher.
    """

    def __init__(self, recipe: SourceRecipe):
        super().__init__(recipe)
        self.root = Path(recipe.path)
        try:
            self.lines = (self.root / TEXTS).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self}: cannot read {self.root / TEXTS} ({error})") from error
        if not self.lines[-1]:
            self.lines.pop()
        self.total = len(self.lines)
        self.vectors = self._open() if (self.root / VECTORS).is_file() else None
        self._length = self.limited(self.total)

    def _open(self) -> np.ndarray:
        path = self.root / VECTORS
        try:
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} is no array of NumPy ({error})") from error
        if vectors.ndim != 2 or len(vectors) != self.total or vectors.dtype.kind != "f":
            raise DataError(
                f"{path} must have a row of floats for each of the {self.total} lines of {TEXTS}, but is "
                f"{vectors.dtype} {list(vectors.shape)}"
            )
        return vectors

    def __len__(self) -> int:
        return self._length

    def groups(self) -> list[range]:
        """One: lines are in memory."""
        return [range(self._length)]

    def read(self, row: int) -> Single:
        """Raises `RecordError`: there are no images."""
        raise RecordError(self.root, row, "a source of kind texts has no images: only `distil` can read it")

    def captions(self, row: int) -> list[str]:
        """The text."""
        text = caption(self.lines[self.within(row)])
        if text is None:
            raise RecordError(self.root / TEXTS, row, "no caption")
        return [text]

    def taught(self, row: int) -> np.ndarray | None:
        """The teacher's vector of the text, float32 [embedding_dim], if there are vectors."""
        return None if self.vectors is None else np.asarray(self.vectors[self.within(row)], np.float32)

    def identity(self) -> Iterator[FileIdentity]:
        """The files that are there."""
        for name in (TEXTS, VECTORS):
            if (self.root / name).is_file():
                yield identity(self.root / name, self.root)
