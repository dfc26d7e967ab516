"""A folder of images, each with a text file of the same name: `part.jpg` and `part.txt`."""

from collections.abc import Iterator
from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.captions import caption, one_line
from clip_in_training.finetune.readers.file_list import FileList
from clip_in_training.finetune.readers.images import read_image
from clip_in_training.finetune.readers.reader import FileIdentity, Reader, RecordError
from clip_in_training.finetune.readers.records import Single, View
from clip_in_training.finetune.recipe import SourceRecipe

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
LARGEST_TEXT = 1 << 20
"""Bytes of a text file that are read."""


class Folder(Reader):
    """All images below a folder. The first line of the text is the short caption; what follows, its line
    breaks turned into spaces, the long one, if there is any.
    """

    def __init__(self, recipe: SourceRecipe):
        super().__init__(recipe)
        self.root = Path(recipe.path)
        if not recipe.path or not self.root.is_dir():
            raise DataError(f"folder: {recipe.path or '`path` is empty, it'} is not a folder")
        self.files = FileList(self.root, IMAGES)
        self.total = len(self.files)
        if not self.total:
            raise DataError(f"{self} has no images ({', '.join(IMAGES)})")
        self._length = self.limited(self.total)

    def __len__(self) -> int:
        return self._length

    def groups(self) -> list[range]:
        """One: each record lies in files of its own."""
        return [range(self._length)]

    def read(self, row: int) -> Single:
        """An image with its captions."""
        short, long = self._captions(row)
        name = self.files[row]
        image = read_image(self.root / name, self.root, name)
        return Single(View(image, short, long), f"{self.root}:{name}")

    def image_name(self, row: int) -> str:
        """The path below the folder."""
        return self.files[self.within(row)]

    def captions(self, row: int) -> list[str]:
        """The captions; the image is not opened."""
        return [text for text in self._captions(row) if text]

    def _captions(self, row: int) -> tuple[str | None, str | None]:
        name = self.files[self.within(row)]
        path = (self.root / name).with_suffix(".txt")
        try:
            with path.open("rb") as file:
                # utf-8-sig: Windows' editors put a mark in front.
                text = file.read(LARGEST_TEXT).decode("utf-8-sig", errors="replace")
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise RecordError(
                self.root, name, "text file missing" if missing else "text file unreadable", path.name
            ) from error
        first, _, rest = text.strip().partition("\n")
        short, long = caption(first), one_line(rest)
        if short is None and long is None:
            raise RecordError(self.root, name, "no caption")
        return short, long

    def identity(self) -> Iterator[FileIdentity]:
        """The names of the images."""
        yield from self.files.identity()
