"""The two sides of edits as images of their own: what a data set of edits is to ordinary CLIP training."""

from collections.abc import Iterator

from clip_in_training.finetune.readers.reader import FileIdentity, Reader
from clip_in_training.finetune.readers.records import Single


class Sides(Reader):
    """Record 2 i is the source of edit i, record 2 i + 1 its target."""

    role = "singles"

    def __init__(self, edits: Reader):
        super().__init__(edits.recipe)
        self.edits = edits
        self.total, self.group_bytes = 2 * edits.total, edits.group_bytes
        self.left_out = {name: 2 * count for name, count in edits.left_out.items()}
        self.notes = edits.notes

    def __len__(self) -> int:
        return 2 * len(self.edits)

    def read(self, row: int) -> Single:
        """One side of an edit. Raises `RecordError`, also if only the other side is broken."""
        edit = self.edits.read(row // 2)
        side = ("source", "target")[row % 2]
        return Single(getattr(edit, side), name=f"{edit.name} ({side})")

    def captions(self, row: int) -> list[str]:
        """The captions of both sides: stage 1 reads no image, so it does not matter whose they are."""
        return self.edits.captions(row // 2)

    def groups(self) -> list[range]:
        """As the edits are grouped."""
        return [range(2 * group.start, 2 * group.stop) for group in self.edits.groups()]

    def identity(self) -> Iterator[FileIdentity]:
        """The files of the edits."""
        return self.edits.identity()
