"""Parts with their scores, on disk as CSV."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import auroc as area


@dataclass(frozen=True)
class Scored:
    """A part: what it is ("ok", or a kind of NG), its lot, and what the server said about it."""

    what: str
    lot: str
    score: float
    pose: bool
    """It lies in another way than the reference: a person decides about it, whatever its score is."""

    @classmethod
    def of(cls, what: str, lot: str, answer: dict) -> "Scored":
        """From the answer to an inspection."""
        return cls(what, lot, answer["score"], "pose" in answer["reasons"])

    def labelled(self) -> dict:
        """As the examples of clip-in-numerics read it."""
        return {"class": "ok" if self.what == "ok" else "ng", "lot": self.lot, "score": self.score}


def write(file: Path, parts: Iterable[Scored]) -> None:
    """Writes a pool."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        rows = csv.DictWriter(out, ["what", "lot", "score", "pose"])
        rows.writeheader()
        rows.writerows(asdict(part) for part in parts)


def read(file: Path) -> list[Scored]:
    """Reads a pool."""
    with file.open(newline="") as rows:
        return [
            Scored(row["what"], row["lot"], float(row["score"]), row["pose"] == "True")
            for row in csv.DictReader(rows)
        ]


def of_kinds(parts: list[Scored], *kinds: str) -> list[Scored]:
    """OK parts and NG parts of these kinds."""
    return [part for part in parts if part.what in ("ok", *kinds)]


def auroc(parts: list[Scored], kinds: set[str]) -> float:
    """Of OK parts against NG parts of these kinds: Mann-Whitney, ties count half."""
    ok = [part.score for part in parts if part.what == "ok"]
    ng = [part.score for part in parts if part.what in kinds]
    return area.auroc(ok, ng)
