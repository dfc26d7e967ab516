"""Sources with a file or two for each record: the names of the files, compactly."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from clip_in_training.finetune.readers.files import relative
from clip_in_training.finetune.readers.reader import FileIdentity


class FileList:
    """Paths below a folder, sorted; about their own length of memory each."""

    def __init__(self, root: Path, endings: tuple[str, ...], recursive: bool = True):
        """All files whose names end so, in lower or upper case. Hidden ones are passed by: a Mac writes `._a.jpg`
        beside `a.jpg`, and it is no image.
        """
        found = []
        for folder, folders, names in os.walk(root, followlinks=True):
            folders[:] = [name for name in folders if recursive and not name.startswith(".")]
            fitting = (n for n in names if n.lower().endswith(endings) and not n.startswith("."))
            found += [relative(Path(folder) / name, root) for name in fitting]
        self.root = root
        self.names = pa.array(sorted(found), pa.large_string())

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> str:
        return self.names[row].as_py()

    def keep(self, mask: list[bool]) -> None:
        """Drops the names whose place in `mask` is False."""
        self.names = self.names.filter(pa.array(mask))

    def identity(self) -> Iterator[FileIdentity]:
        """The list of names as if it were a file; the files themselves may be millions."""
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(name.as_py().encode(errors="surrogateescape") + b"\n")
        yield FileIdentity("(names)", len(self.names), digest.hexdigest())
