"""Files that are there whole or not at all: a kill, a full disk or a power cut leaves what was there before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to. It takes the place of `path` when the block ends, once its content and
    then its name are on the disk; if the block raises, it is removed. Its folder must exist.

    Two processes must not replace the same file at a time.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str) -> None:
    """Puts `text` in UTF-8 in the place of what is in `path`."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, on systems whose folders can be opened."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
