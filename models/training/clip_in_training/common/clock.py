"""Wall and processor seconds of a training that may have been interrupted."""

import resource
import time


class Clock:
    """Counts from what earlier runs had used. Processor time is user and system, children included."""

    def __init__(self):
        self.restore(0.0, 0.0)

    def restore(self, wall: float, cpu: float) -> None:
        """Goes on counting from the seconds of an earlier run."""
        self._wall, self._cpu = time.monotonic() - wall, _cpu_seconds() - cpu

    def wall(self) -> float:
        """Seconds on the wall so far."""
        return time.monotonic() - self._wall

    def cpu(self) -> float:
        """Processor seconds so far."""
        return _cpu_seconds() - self._cpu

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps: `restore(**state)` goes on counting."""
        return {"wall": self.wall(), "cpu": self.cpu()}


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
