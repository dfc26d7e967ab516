"""What each step gave, a JSON object a line: for curves, and for whoever wants the numbers."""

import json
import os
from pathlib import Path


class StepLog:
    """Appends to `path`. What an earlier, interrupted run wrote from step `first` on is dropped: those steps
    come again.
    """

    def __init__(self, path: Path, first: int):
        kept = [entry for entry in read_steps(path) if entry["step"] < first] if first else []
        partial = path.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in kept)
        os.replace(partial, path)
        self.file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, step: int, values: dict[str, float]) -> None:
        """One line; raises OSError if there is no room for it."""
        self.file.write(json.dumps({"step": step, **values}) + "\n")

    def __enter__(self) -> "StepLog":
        return self

    def __exit__(self, *_) -> None:
        self.file.close()


def read_steps(path: Path) -> list[dict[str, float]]:
    """All whole lines of a log; none if there is no file. A kill may have cut the last line short."""
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries
