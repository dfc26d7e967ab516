"""WebDataset's tar files: image and captions of a sample are members with the same name before the first
dot.
"""

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.captions import caption, one_line
from clip_in_training.finetune.readers.files import Recent, common_folder, find, relative
from clip_in_training.finetune.readers.handle import Handle
from clip_in_training.finetune.readers.images import LARGEST_FILE, decode
from clip_in_training.finetune.readers.reader import FileIdentity, Reader, RecordError
from clip_in_training.finetune.readers.records import Single, View
from clip_in_training.finetune.readers.tar_index import BLOCK, IMAGE, JSON, TEXT, TarIndex, read_part
from clip_in_training.finetune.recipe import SourceRecipe

OPEN_FILES = 32
LARGEST_TEXT = 1 << 20
SHORT_KEYS = ("caption", "short_caption")
LONG_KEYS = ("caption_long", "long_caption")


class Tars(Reader):
    """jpg, png or webp with txt, json or both. The text is the short caption; JSON may have `caption` (it
    wins over the text) and `caption_long`.
    """

    def __init__(self, recipe: SourceRecipe):
        super().__init__(recipe)
        paths = find(recipe, [".tar"])
        self.root = common_folder(paths)
        self.index = TarIndex(paths)
        self.notes += self.index.notes
        if self.index.without_image:
            self.left_out["no image"] = self.index.without_image
        self.total = len(self.index.sizes) + self.index.without_image
        if not len(self.index.sizes):
            raise DataError(f"{self} has no samples with an image (jpg, png, webp)")
        self._length = self.limited(len(self.index.sizes))
        self._ends = np.array(self.index.ends, dtype=np.int64)
        self._handles: Recent[Handle] = Recent(OPEN_FILES)

    def __len__(self) -> int:
        return self._length

    def groups(self) -> list[range]:
        """The samples of each tar: near each other on a disk."""
        ends = np.minimum(self._ends, self._length).tolist()
        return [range(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True) if a < b]

    def read(self, row: int) -> Single:
        """An image with its captions."""
        tar, name = self._name(row)
        short, long = self._captions(row, tar, name)
        if self.index.sizes[row, IMAGE] > LARGEST_FILE:
            raise RecordError(tar, name, "image file too large", f"{self.index.sizes[row, IMAGE]} bytes")
        image = decode(self._part(row, IMAGE, name), tar, name)
        return Single(View(image, short, long), f"{tar}:{name}")

    def captions(self, row: int) -> list[str]:
        """The captions; the image is not read."""
        return [text for text in self._captions(row, *self._name(row)) if text]

    def image_name(self, row: int) -> str:
        """The name of the member."""
        return self._name(row)[1]

    def _captions(self, row: int, tar, name: str) -> tuple[str | None, str | None]:
        text = self._part(row, TEXT, name)
        # utf-8-sig: Windows' editors put a mark in front.
        short, long = one_line((text or b"").decode("utf-8-sig", errors="replace")), None
        described = self._part(row, JSON, name)
        if described:
            try:
                record = json.loads(described)
            except (ValueError, RecursionError) as error:
                raise RecordError(tar, name, "not JSON", str(error)[:200]) from error
            if isinstance(record, dict):
                short = _first(record, SHORT_KEYS) or short
                long = _first(record, LONG_KEYS)
        if short is None and long is None:
            raise RecordError(tar, name, "no caption")
        return short, long

    def _tar(self, row: int):
        return self.index.paths[int(np.searchsorted(self._ends, row, side="right"))]

    def _part(self, row: int, part: int, name: str) -> bytes | None:
        """A part of a sample; texts only up to `LARGEST_TEXT`, which JSON must not exceed."""
        size = int(self.index.sizes[row, part])
        size = min(size, LARGEST_TEXT) if part != IMAGE else size
        return self._read(row, int(self.index.offsets[row, part]), size, name)

    def _read(self, row: int, offset: int, size: int, name: str) -> bytes | None:
        tar = self._tar(row)
        try:
            return read_part(self._handles.get(tar, lambda: Handle(tar)).number, offset, size)
        except OSError as error:
            raise RecordError(tar, name, "file unreadable", str(error)) from error

    def _name(self, row: int) -> tuple:
        """A sample's tar, and the name of its image, which stands in the header before it."""
        self.within(row)
        header = self._read(row, int(self.index.offsets[row, IMAGE]) - BLOCK, BLOCK, str(row)) or b""
        return self._tar(row), header[:100].split(b"\0")[0].decode(errors="replace")

    def identity(self) -> Iterator[FileIdentity]:
        """The tars by their size and by where their members lie."""
        starts = [0, *self.index.ends[:-1]]
        for path, start, end in zip(self.index.paths, starts, self.index.ends, strict=True):
            digest = hashlib.sha256(self.index.offsets[start:end].tobytes())
            digest.update(self.index.sizes[start:end].tobytes())
            yield FileIdentity(relative(path, self.root), path.stat().st_size, digest.hexdigest())


def _first(record: dict, keys: tuple[str, ...]) -> str | None:
    """The first of some keys that holds a caption."""
    return next(filter(None, (caption(record.get(key)) for key in keys)), None)
