"""The log of each step, one JSON object per line, and its TensorBoard curves."""

import contextlib
import json
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from clip_in_training.common.errors import CheckpointError
from clip_in_training.common.whole_file import replace_text


class StepLog:
    """Appends to `path`. Removes lines that an earlier, interrupted run wrote from step `first` on, because those
    steps are repeated.
    """

    def __init__(self, path: Path, first: int):
        kept = [entry for entry in read_steps(path) if entry["step"] < first] if first else []
        replace_text(path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self.file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, step: int, values: dict[str, float]) -> None:
        """Writes one line. Raises OSError if the disk is full."""
        self.file.write(json.dumps({"step": step, **values}) + "\n")

    def close(self) -> None:
        """Closes the file."""
        self.file.close()


class Logs:
    """A stage's step log and its TensorBoard curves. Raises `CheckpointError` if the disk is full."""

    def __init__(self, run: Path, stage: str, first: int):
        self.run, self.stage, self.first = run, stage, first
        self.measured: StepLog | None = None
        with self._told():
            self.lines = StepLog(run / f"{stage}.jsonl", first)
            self.curves = SummaryWriter(str(run / "log" / stage), purge_step=first)

    def add(self, step: int, values: dict[str, float], curves: bool) -> None:
        """Writes a line for the step, and a point in each curve if asked."""
        with self._told():
            self.lines.add(step, values)
            for key, number in values.items() if curves else ():
                self.curves.add_scalar(f"{self.stage}/{key}", number, step)

    def validated(self, step: int, values: dict[str, float]) -> None:
        """Writes a measurement: a line in `<stage>.validation.jsonl` and a point in each curve."""
        with self._told():
            if self.measured is None:
                self.measured = StepLog(self.run / f"{self.stage}.validation.jsonl", self.first)
            self.measured.add(step, values)
            for key, number in values.items():
                self.curves.add_scalar(f"{self.stage}/validation/{key}", number, step)

    def close(self) -> None:
        """Closes the files and ignores errors of the disk: writing a line or the checkpoint reports them."""
        with contextlib.suppress(OSError):
            self.lines.close()
        if self.measured is not None:
            with contextlib.suppress(OSError):
                self.measured.close()
        with contextlib.suppress(OSError):
            self.curves.close()

    @contextlib.contextmanager
    def _told(self):
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"cannot write the logs in {self.run} ({error}); {self.stage}.pt, if there is one, holds the "
                "last good checkpoint"
            ) from error


class NoLogs:
    """The log of every process except the first: it writes nothing."""

    def add(self, *_) -> None:
        """Nothing."""

    def validated(self, *_) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def read_steps(path: Path) -> list[dict[str, float]]:
    """All complete lines of a log, or none if there is no file. A kill may have cut the last line short."""
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return entries
