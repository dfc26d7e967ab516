"""What sources have in common whose records are objects of JSON files and whose images are files beside
them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.captions import caption
from clip_in_training.finetune.readers.files import common_folder, find, identity
from clip_in_training.finetune.readers.images import read_image
from clip_in_training.finetune.readers.json_records import JsonRecords
from clip_in_training.finetune.readers.reader import FileIdentity, Reader, RecordError
from clip_in_training.finetune.readers.records import Single, View
from clip_in_training.finetune.recipe import SourceRecipe

ENDINGS = (".json", ".jsonl", ".jsonlines")


class JsonSource(Reader):
    """Objects of one file or several, each a JSON list or JSON lines.

    Image paths start from the recipe's `images`, or else from the folder of the JSON file.
    """

    required: tuple[str | tuple[str, ...], ...] = ()
    """Keys that the first object of a file must have (one of several), or the file is not of this kind:
    `DataError`.
    """

    def __init__(self, recipe: SourceRecipe):
        super().__init__(recipe)
        self.files = [JsonRecords(path) for path in find(recipe, ENDINGS)]
        for file in self.files:
            self._check(file)
        self._ends = np.cumsum([len(file) for file in self.files])
        self.total = int(self._ends[-1])
        self._kept = self._keep()
        """int32 [records]: their numbers over all files; None if it is all of them."""
        self._length = self.limited(self.total if self._kept is None else len(self._kept))

    def _check(self, file: JsonRecords) -> None:
        """Raises `DataError` if the first object lacks a key."""
        if not len(file):
            raise DataError(f"{file.path} has no records")
        try:
            first = file.read(0)
        except RecordError as error:
            raise DataError(f"{error}; is it a file of kind {self.recipe.kind}?") from error
        for key in self.required:
            keys = (key,) if isinstance(key, str) else key
            if not any(name in first for name in keys):
                raise DataError(
                    f"{file.path}: the first record lacks `{keys[0]}`; it has {', '.join(map(str, first))}"
                )

    def _keep(self) -> np.ndarray | None:
        """The records that are for training, where a format mixes them with others."""
        return None

    def __len__(self) -> int:
        return self._length

    def groups(self) -> list[range]:
        """One: each record lies in files of its own."""
        return [range(self._length)]

    def _record(self, row: int) -> tuple[JsonRecords, int, dict]:
        """Of a row: its file, its number there, and the object."""
        self.within(row)
        row = row if self._kept is None else int(self._kept[row])
        number = int(np.searchsorted(self._ends, row, side="right"))
        inside = row - (int(self._ends[number - 1]) if number else 0)
        return self.files[number], inside, self.files[number].read(inside)

    def folder(self, file: JsonRecords) -> Path:
        """Where image paths of a file start from."""
        return Path(self.recipe.images) if self.recipe.images else file.path.parent

    def image(self, file: JsonRecords, inside: int, record: dict, key: str):
        """The image that a record names under `key`. Raises `RecordError`."""
        return read_image(self.folder(file) / self.path(file, inside, record, key), file.path, inside)

    def path(self, file: JsonRecords, inside: int, record: dict, key: str) -> str:
        """The path that a record has under `key`. Raises `RecordError`."""
        path = record.get(key)
        if not isinstance(path, str) or not path:
            raise RecordError(file.path, inside, f"no {key}")
        return path

    def identity(self) -> Iterator[FileIdentity]:
        """The JSON files, not the images."""
        root = common_folder([file.path for file in self.files])
        for file in self.files:
            yield identity(file.path, root)


class JsonSingles(JsonSource):
    """Single images with a short and a long caption."""

    image_keys: tuple[str, ...] = ("image",)
    """The first of these that an object has."""

    def image_path(self, file: JsonRecords, inside: int, record: dict) -> str:
        """The path of an object's image. Raises `RecordError`."""
        key = next((key for key in self.image_keys if key in record), self.image_keys[0])
        return self.path(file, inside, record, key)

    def pick(self, record: dict) -> tuple[str | None, str | None]:
        """The short and the long caption of an object."""
        raise NotImplementedError

    def _captions(self, file: JsonRecords, inside: int, record: dict) -> tuple[str | None, str | None]:
        short, long = self.pick(record)
        if short is None and long is None:
            raise RecordError(file.path, inside, "no caption")
        return short, long

    def read(self, row: int) -> Single:
        """An image with its captions."""
        file, inside, record = self._record(row)
        short, long = self._captions(file, inside, record)
        path = self.folder(file) / self.image_path(file, inside, record)
        image = read_image(path, file.path, inside)
        return Single(View(image, short, long), f"{file.path}:{inside}")

    def captions(self, row: int) -> list[str]:
        """The captions; the image is not opened."""
        return [text for text in self._captions(*self._record(row)) if text]

    def image_name(self, row: int) -> str:
        """The path that the object names."""
        file, inside, record = self._record(row)
        return self.image_path(file, inside, record)


def texts(record: dict, keys: tuple[str, ...]) -> list[str]:
    """Those of an object's values that are captions."""
    return [text for text in (caption(record.get(key)) for key in keys) if text]
