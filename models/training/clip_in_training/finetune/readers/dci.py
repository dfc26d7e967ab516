"""DCI (Densely Captioned Images): `photos/` and `annotations/`, a JSON file an image, and `splits.json`."""

import json
from collections.abc import Iterator
from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.captions import one_line
from clip_in_training.finetune.readers.file_list import FileList
from clip_in_training.finetune.readers.images import read_image
from clip_in_training.finetune.readers.reader import FileIdentity, Reader, RecordError
from clip_in_training.finetune.readers.records import Single, View
from clip_in_training.finetune.recipe import SourceRecipe

ANNOTATIONS = ("annotations", "complete")
"""Folders that may hold the JSON files; `complete` adds what this reader does not use."""
LARGEST_FILE = 64 << 20
"""Bytes of a JSON file; they hold masks."""


class DenselyCaptionedImages(Reader):
    """Photographs with a short caption (`short_caption`) and a description by people (`extra_caption`).

    `path` is the folder densely_captioned_images, or one of JSON files. If there is a `splits.json`, only its
    `train` is used: the rest is a benchmark.
    """

    def __init__(self, recipe: SourceRecipe):
        super().__init__(recipe)
        path = Path(recipe.path)
        if not recipe.path or not path.is_dir():
            raise DataError(f"dci: {recipe.path or '`path` is empty, it'} is not a folder")
        self.folder = next((path / name for name in ANNOTATIONS if (path / name).is_dir()), path)
        base = self.folder.parent if self.folder.name in ANNOTATIONS else self.folder
        photos = base / "photos"
        self.images = Path(recipe.images) if recipe.images else photos if photos.is_dir() else self.folder
        self.files = FileList(self.folder, (".json",), recursive=False)
        self.files.keep([name != "splits.json" for name in self.files.names.to_pylist()])
        self.total = len(self.files)
        if not self.total:
            raise DataError(f"dci: no .json files in {self.folder}")
        self._only_train(base / "splits.json")
        self._length = self.limited(len(self.files))
        self._check()

    def _only_train(self, path: Path) -> None:
        """Drops what `splits.json` does not list as `train`."""
        if not path.is_file():
            everything = f"all {self.total} images are used, those of the benchmark too"
            self.notes.append(f"{self}: no {path}, so {everything}")
            return
        try:
            splits = json.loads(path.read_text(encoding="utf-8"))
            train = {Path(name).stem for name in splits["train"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read the list `train` of {path}: {error}") from error
        self.files.keep([Path(name).stem in train for name in self.files.names.to_pylist()])
        if len(self.files) < self.total:
            self.left_out["split other than train"] = self.total - len(self.files)

    def _check(self) -> None:
        """Raises `DataError` if the first file has none of the keys."""
        try:
            record = self._record(0)
        except RecordError:
            return  # Counted when its turn comes.
        for key in ("image", "short_caption", "extra_caption"):
            if key not in record:
                raise DataError(f"{self.folder / self.files[0]} lacks `{key}`; it has {', '.join(record)}")

    def __len__(self) -> int:
        return self._length

    def groups(self) -> list[range]:
        """One: each record lies in files of its own."""
        return [range(self._length)]

    def read(self, row: int) -> Single:
        """An image with its captions."""
        record = self._record(row)
        short, long = self._captions(row, record)
        name = self.files[row]
        image = read_image(self.images / self._image(row, record), self.folder, name)
        return Single(View(image, short, long), f"{self.folder}:{name}")

    def image_name(self, row: int) -> str:
        """The path that the record names."""
        return self._image(row, self._record(row))

    def _image(self, row: int, record: dict) -> str:
        image = record.get("image")
        if not isinstance(image, str) or not image:
            raise RecordError(self.folder, self.files[row], "no image")
        return image

    def captions(self, row: int) -> list[str]:
        """The captions; the image is not opened."""
        return [text for text in self._captions(row, self._record(row)) if text]

    def _captions(self, row: int, record: dict) -> tuple[str | None, str | None]:
        short, long = one_line(record.get("short_caption")), one_line(record.get("extra_caption"))
        if short is None and long is None:
            raise RecordError(self.folder, self.files[row], "no caption")
        return short, long

    def _record(self, row: int) -> dict:
        name = self.files[self.within(row)]
        try:
            with (self.folder / name).open("rb") as file:
                record = json.loads(file.read(LARGEST_FILE))
        except OSError as error:
            raise RecordError(self.folder, name, "file unreadable", str(error)) from error
        except (ValueError, RecursionError) as error:
            raise RecordError(self.folder, name, "not JSON", str(error)[:200]) from error
        if not isinstance(record, dict):
            raise RecordError(self.folder, name, "not a JSON object")
        return record

    def identity(self) -> Iterator[FileIdentity]:
        """The names of the JSON files."""
        yield from self.files.identity()
