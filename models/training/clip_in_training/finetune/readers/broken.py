"""What could not be read: counted, named, and fatal only if it is much."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from clip_in_training.common.errors import DataError

NAMED = 100
"""Broken records that are listed one by one."""
PRINT_EVERY = 100
JUDGED_AFTER = 500
"""Records read before their broken share counts: of few, a few broken ones are no share."""


class Broken(NamedTuple):
    """A record that was replaced by another."""

    file: str
    row: str
    reason: str
    detail: str


class Tally:
    """Counts of one training process, over all processes that read for it."""

    def __init__(
        self, largest_share: float = 0.1, file: Path | None = None, judged_after: int = JUDGED_AFTER
    ):
        """`file`: JSON lines are added to it: the first broken records, and the counts each time they are
        printed.
        """
        self.largest_share, self.file, self.judged_after = largest_share, file, judged_after
        self.read = 0
        """Records read, broken ones included."""
        self.broken = 0
        self.truncated = 0
        """Captions that filled the context, or were longer."""
        self.reasons: Counter[str] = Counter()
        self.files: Counter[str] = Counter()
        self.first: list[Broken] = []
        """The first different ones, at most `NAMED`."""

    def add(self, read: int, broken: Iterable[Broken], truncated: int = 0) -> None:
        """What one step came across. Raises `DataError` naming the worst file if too large a share is
        broken.
        """
        self.read += read
        self.truncated += truncated
        for record in broken:
            self.broken += 1
            self.reasons[record.reason] += 1
            self.files[record.file] += 1
            if len(self.first) < NAMED and record not in self.first:
                self.first.append(record)
                self._write({"replaced": record._asdict()})
            if self.broken == 1 or self.broken % PRINT_EVERY == 0:
                print(self.line(), file=sys.stderr, flush=True)
                self._write(self.summary())
        if self.read >= self.judged_after and self.broken > self.largest_share * self.read:
            file, count = self.files.most_common(1)[0]
            self._write(self.summary())
            raise DataError(
                f"{self.broken} of {self.read} records could not be used, more than the"
                f" {self.largest_share:.0%} allowed; {count} of them from {file}."
                f" First: {self.name(self.first[0])}"
            )

    def note(self, text: str) -> None:
        """Something that is wrong with a whole file."""
        print(f"data: {text}", file=sys.stderr, flush=True)
        self._write({"note": text})

    def summary(self) -> dict:
        """The counts as they stand, for reports."""
        return {
            "read": self.read,
            "broken": self.broken,
            "truncated_captions": self.truncated,
            "reasons": dict(self.reasons.most_common()),
            "files": dict(self.files.most_common(NAMED)),
        }

    def line(self) -> str:
        """The counts in one line."""
        reasons = ", ".join(f"{count} × {reason}" for reason, count in self.reasons.most_common(5))
        last = f"; first: {self.name(self.first[0])}" if self.first else ""
        return f"data: {self.broken} of {self.read} records replaced: {reasons or 'none'}{last}"

    def close(self) -> None:
        """Writes the final counts."""
        self._write(self.summary())

    @staticmethod
    def name(record: Broken) -> str:
        """Where it is and what is wrong with it."""
        detail = f" ({record.detail})" if record.detail else ""
        return f"{record.file}:{record.row}: {record.reason}{detail}"

    def _write(self, entry: dict) -> None:
        if self.file:
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry, ensure_ascii=False) + "\n")
