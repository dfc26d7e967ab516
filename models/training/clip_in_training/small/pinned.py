"""Files of Debian packages that the small model's training reads: where they are, and their checksums.

`make small-sources` fetches them once into `folder()`; a file that the system has installed is used in its place.
Each file is checked before it is read, so that the same seed gives the same pictures and texts.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.small.checksum import sha256_of

FOLDER_VARIABLE = "CLIP_IN_SMALL_SOURCES"
"""Environment variable with the folder of the fetched files; default `.cache/small` of the working directory."""


@dataclass(frozen=True)
class PinnedFile:
    """One file of a Debian package; `path` is where the package installs it, relative to `/`."""

    package: str
    path: str
    sha256: str
    licence: str


FILES = {
    "font": PinnedFile(
        "fonts-noto-color-emoji",
        "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
        "e5899ed38b8ed83e08bd3ac5de09791e9d19d288333a796de1d35ad17396f1ec",
        "OFL-1.1",
    ),
    "groups": PinnedFile(
        "unicode-data",
        "usr/share/unicode/emoji/emoji-test.txt",
        "8445f23ac8388e096be19d0262e14fceff856ff52093f2356dc89485f1a853db",
        "Unicode-3.0",
    ),
    "nouns": PinnedFile(
        "wordnet-base",
        "usr/share/wordnet/data.noun",
        "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
        "WordNet-3.0",
    ),
}
"""The files by what they are used for."""


def folder() -> Path:
    """The folder of the fetched files."""
    return Path(os.environ.get(FOLDER_VARIABLE) or ".cache/small")


def found(name: str, where: Path | None = None) -> Path | None:
    """The file with the pinned checksum, fetched or installed; None if there is none. `name` is a key of `FILES`."""
    pinned = FILES[name]
    for root in (where or folder(), Path("/")):
        path = root / pinned.path
        if path.is_file() and sha256_of(path) == pinned.sha256:
            return path
    return None


def pinned_file(name: str, where: Path | None = None) -> Path:
    """The file with the pinned checksum. Raises `DataError` if there is none."""
    path = found(name, where)
    if path is None:
        pinned = FILES[name]
        raise DataError(
            f"{pinned.path} with SHA-256 {pinned.sha256[:12]}… is neither in {where or folder()} nor installed: "
            f"run `make small-sources` (Debian 12), or put this file of the package {pinned.package} there"
        )
    return path
