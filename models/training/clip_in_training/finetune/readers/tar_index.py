"""Where the samples of WebDataset's tar files lie: 36 bytes of memory each."""

import os
import tarfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import DataError

IMAGE, TEXT, JSON = 0, 1, 2
"""Parts of a sample."""
PARTS = {"jpg": IMAGE, "jpeg": IMAGE, "png": IMAGE, "webp": IMAGE, "txt": TEXT, "json": JSON}
"""By the ending of a member's name: what follows the first dot of its last component."""
BLOCK = 512
LARGEST_PART = (1 << 31) - 1


class TarIndex:
    """The samples of some tars: members that follow each other and share their names up to the first dot.

    `offsets` int64 and `sizes` int32, both [samples, 3], are those of image, text and JSON in their tar;
    size -1 means that there is none. Samples without an image are left out.
    """

    def __init__(self, paths: list[Path]):
        """Reads all headers: about a minute of CPU for a million samples. Raises `DataError` if a
        file is no tar; of one that is cut short, what is whole is used, and `notes` says so.
        """
        self.paths = paths
        self.notes: list[str] = []
        offsets, sizes, self.ends = array("q"), array("i"), []
        self.without_image = 0
        for path in paths:
            for sample in self._samples(path):
                if sample[IMAGE] is None:
                    self.without_image += 1
                    continue
                for part in sample:
                    offsets.append(part[0] if part else 0)
                    sizes.append(part[1] if part else -1)
            self.ends.append(len(sizes) // 3)
        self.offsets = np.array(offsets, dtype=np.int64).reshape(-1, 3)
        self.sizes = np.array(sizes, dtype=np.int32).reshape(-1, 3)

    def _samples(self, path: Path) -> Iterator[list[tuple[int, int] | None]]:
        """Offset and size of each sample's parts."""
        key: tuple[str, str] | None = None
        parts: list[tuple[int, int] | None] = [None, None, None]
        for name, offset, size in self._members(path):
            folder, _, last = name.rpartition("/")
            stem, _, ending = last.partition(".")
            part = PARTS.get(ending.lower())
            if part is None or size > LARGEST_PART:
                continue
            if (folder, stem) != key:
                if key is not None:
                    yield parts
                key = (folder, stem)
                parts = [None, None, None]
            parts[part] = (offset, size)
        if key is not None:
            yield parts

    def _members(self, path: Path) -> Iterator[tuple[str, int, int]]:
        """Name, offset and size of each file in a tar that is wholly there."""
        size, seen = path.stat().st_size, 0
        try:
            with tarfile.open(path, "r:") as tar:
                while (member := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # Or the tar keeps every header it has read.
                    if member.offset_data + member.size > size:
                        break
                    if member.isfile():
                        seen += 1
                        yield member.name, member.offset_data, member.size
                tar.fileobj.seek(tar.offset)
                whole = tar.fileobj.read(BLOCK) == bytes(BLOCK)
        except (tarfile.TarError, OSError) as error:
            if not seen:
                what = f"{path} is not a tar file ({error})"
                raise DataError(f"{what}; compressed tars are not read") from error
            whole = False
        if not whole:
            self.notes.append(
                f"{path} is cut short: the {seen} files before the cut are used; fetch it again"
            )


def read_part(handle: int, offset: int, size: int) -> bytes | None:
    """Some bytes of an open file; None if the part is not there. Raises OSError if the file has become
    shorter.
    """
    if size < 0:
        return None
    data = os.pread(handle, size, offset)
    if len(data) != size:
        raise OSError(f"{len(data)} of {size} bytes at {offset}")
    return data
