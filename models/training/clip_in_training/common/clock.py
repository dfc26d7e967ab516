"""Wall time and processor time of a training, across interruptions."""

import resource
import time


class Clock:
    """Adds to the time of earlier runs. Processor time is user and system time, child processes included."""

    def __init__(self):
        self.restore(0.0, 0.0)

    def restore(self, wall: float, cpu: float) -> None:
        """Continues from the seconds of an earlier run."""
        self._wall, self._cpu = time.monotonic() - wall, _cpu_seconds() - cpu

    def wall(self) -> float:
        """Wall time so far, in seconds."""
        return time.monotonic() - self._wall

    def cpu(self) -> float:
        """Processor time so far, in seconds."""
        return _cpu_seconds() - self._cpu

    def state(self) -> dict[str, float]:
        """The state for a checkpoint; `restore(**state)` continues from it."""
        return {"wall": self.wall(), "cpu": self.cpu()}


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
