"""A source without its first records (`skip`) or without some by name (`exclude`): what a benchmark evaluates on
is not trained on.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.finetune.readers.reader import FileIdentity, Reader, RecordError
from clip_in_training.finetune.readers.records import EditPair, Single
from clip_in_training.finetune.recipe import SourceRecipe

_COCO_2014 = re.compile(r"^coco_(train|val)2014_")


def name_key(name: str) -> str:
    """What two names of an image are compared by: the file's name without folder and ending, in lower case.

    COCO's images were renamed in 2017: `COCO_val2014_000000391895.jpg`, as the Karpathy splits have it, is
    `train2017/000000391895.jpg` of ShareGPT4V. So that prefix does not count.
    """
    return _COCO_2014.sub(
        "", name.replace("\\", "/").rpartition("/")[2].rpartition(".")[0].lower() or name.lower()
    )


def read_names(path: Path) -> set[str]:
    """The keys of a file with a name a line. Raises `DataError`."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the names to exclude from {path} ({error}); docs/src/reference/training-data.md "
            "says how to make such a list"
        ) from error
    names = {name_key(line.strip()) for line in lines if line.strip()}
    if not names:
        raise DataError(f"{path} holds no names to exclude")
    return names


def opened_with(recipe: SourceRecipe) -> SourceRecipe:
    """The recipe that the reader itself is opened with: the limit counts what is left."""
    if recipe.exclude:
        return replace(recipe, limit=0)
    return replace(recipe, limit=recipe.limit + recipe.skip if recipe.limit else 0)


class Chosen(Reader):
    """The records of another reader from `recipe.skip` on, without those that `recipe.exclude` names, up to
    `recipe.limit`. 4 bytes of memory a record.
    """

    def __init__(self, recipe: SourceRecipe, reader: Reader):
        super().__init__(recipe)
        self.reader, self.role = reader, reader.role
        self.total, self.group_bytes, self.notes = reader.total, reader.group_bytes, reader.notes
        self.left_out = dict(reader.left_out)
        self._names: FileIdentity | None = None
        rows = np.arange(min(recipe.skip, len(reader)), len(reader), dtype=np.int32)
        if recipe.skip:
            self.left_out[f"first {recipe.skip}"] = len(reader) - len(rows)
        if recipe.exclude:
            path = Path(recipe.exclude)
            names = read_names(path)
            digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
            self._names = FileIdentity("(excluded)", len(names), digest)
            kept = np.array([not self._is_named(row, names) for row in rows.tolist()], dtype=bool)
            self.left_out[f"named in {path.name}"] = int((~kept).sum())
            if kept.all():
                self.notes = [*self.notes, f"{self}: {path} names none of its {len(rows)} records"]
            rows = rows[kept]
        self._rows = rows[: self.limited(len(rows))]

    def _is_named(self, row: int, names: set[str]) -> bool:
        try:
            name = self.reader.image_name(row)
        except RecordError:
            return False  # Kept, so that it is counted as broken when its turn comes.
        return name_key(name) in names

    def __len__(self) -> int:
        return len(self._rows)

    def _inner(self, row: int) -> int:
        return int(self._rows[self.within(row)])

    def read(self, row: int) -> EditPair | Single:
        """A record of the other reader."""
        return self.reader.read(self._inner(row))

    def captions(self, row: int) -> list[str]:
        """Its captions."""
        return self.reader.captions(self._inner(row))

    def image_name(self, row: int) -> str:
        """The name of its image."""
        return self.reader.image_name(self._inner(row))

    def groups(self) -> list[range]:
        """What is left of the other's groups."""
        bounds = [(group.start, group.stop) for group in self.reader.groups()]
        found = np.searchsorted(self._rows, np.array(bounds, dtype=np.int64)).tolist()
        return [range(start, stop) for start, stop in found if start < stop]

    def identity(self) -> Iterator[FileIdentity]:
        """The other's files, and the excluded names."""
        yield from self.reader.identity()
        if self._names is not None:
            yield self._names
