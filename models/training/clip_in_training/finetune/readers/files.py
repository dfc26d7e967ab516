"""Which files a source consists of, what identifies them, and handles that survive a change of process."""

import glob
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.reader import FileIdentity
from clip_in_training.finetune.recipe import SourceRecipe

WHOLE = 16 << 20
"""Files up to this size are hashed whole, of larger ones the first and last `EDGE` bytes."""
EDGE = 1 << 20

T = TypeVar("T")


def _one(_: object) -> int:
    """Counts things instead of weighing them. A lambda could not be pickled."""
    return 1


def find(recipe: SourceRecipe, endings: Sequence[str]) -> list[Path]:
    """The files of a source, in order of their names: `path` itself, all files below it with one of the
    endings, or what the pattern `path` fits. Raises `DataError` if there is none.
    """
    path = Path(recipe.path)
    if not recipe.path:
        raise DataError(f"the source of kind {recipe.kind} has no `path`")
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.name.lower().endswith(tuple(endings)) and p.is_file()]
    else:
        found = [Path(p) for p in glob.glob(recipe.path, recursive=True) if os.path.isfile(p)]
    if not found:
        what = (
            f"no {' or '.join(endings)} in the folder"
            if path.is_dir()
            else "no such file, folder or pattern:"
        )
        raise DataError(f"{recipe.kind}: {what} {path}")
    return sorted(found)


def identity(path: Path, root: Path) -> FileIdentity:
    """Of a file whose bytes are its content."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(WHOLE if size <= WHOLE else EDGE))
        if size > WHOLE:
            file.seek(-EDGE, os.SEEK_END)
            digest.update(file.read(EDGE))
    return FileIdentity(relative(path, root), size, digest.hexdigest())


def relative(path: Path, root: Path) -> str:
    """`path` as seen from `root`, with slashes."""
    return Path(os.path.relpath(path, root)).as_posix()


def common_folder(files: Sequence[Path]) -> Path:
    """The deepest folder that all files lie in."""
    return Path(os.path.commonpath([file.absolute().parent for file in files]))


class Recent(Generic[T]):
    """Things that cost time to make (open files, decoded row groups): the last ones used, within a size.

    They belong to one process. A forked child shares the parent's file positions, so it starts with none,
    and a pickled copy is empty.
    """

    def __init__(self, size: int, weigh: Callable[[T], int] = _one):
        self.size, self.weigh = size, weigh
        self._kept: OrderedDict[object, T] = OrderedDict()
        self._weight, self._process = 0, os.getpid()

    def get(self, key: object, make: Callable[[], T]) -> T:
        """The thing of this key; made if it is not kept. The newest is kept whatever it weighs."""
        if self._process != os.getpid():
            self._kept, self._weight, self._process = OrderedDict(), 0, os.getpid()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = make()
        self._kept[key] = made
        self._weight += self.weigh(made)
        while self._weight > self.size and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._weight -= self.weigh(dropped)
        return made

    def __getstate__(self) -> dict:
        return {"size": self.size, "weigh": self.weigh}

    def __setstate__(self, state: dict) -> None:
        Recent.__init__(self, **state)
