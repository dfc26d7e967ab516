"""A server that faults are done to: its limits, its death, its restart on the same port, what it holds."""

import signal
from dataclasses import dataclass
from pathlib import Path

from tests.bench.paths import DEMO_BUNDLE, onnxruntime_library, server_binary
from tests.bench.servers import HOST, Server, free_port

READY = "/readyz"


@dataclass(frozen=True)
class Held:
    """What a process holds at a moment."""

    rss_mib: float
    descriptors: int
    threads: int

    def growth(self, earlier: "Held") -> str:
        """As it stands in the table."""
        return (
            f"{earlier.rss_mib:.0f} → {self.rss_mib:.0f} MiB, {earlier.descriptors} → {self.descriptors} fds, "
            f"{earlier.threads} → {self.threads} threads"
        )


class ClipInProcess(Server):
    """`clip-in serve`, ready when this returns. `wrapper` stands before the command, such as `prlimit`."""

    def __init__(
        self,
        name: str,
        state: Path,
        *arguments: object,
        bundle: Path = DEMO_BUNDLE,
        port: int | None = None,
        wrapper: tuple[object, ...] = (),
        environment: dict[str, str] | None = None,
        cache: bool = False,
    ):
        port = port or free_port()
        command = [*wrapper, server_binary(), "serve", "--model", bundle, "--listen", f"{HOST}:{port}"]
        # fp32 and no text cache: an answer is a computation, and the same one in any batch.
        command += [
            "--state",
            state,
            "--precision",
            "fp32",
            "--text-cache-mib",
            64 if cache else 0,
            *arguments,
        ]
        super().__init__(
            name, command, port, READY, {"ORT_DYLIB_PATH": onnxruntime_library(), **(environment or {})}
        )

    @property
    def pid(self) -> int:
        """Of the server itself: wrappers replace themselves by it."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """What it wrote so far."""
        return self._log

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._process.kill()
        self._process.wait()

    def terminate(self, seconds: float = 90) -> int:
        """SIGTERM; its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def cpu_share(self, since: tuple[float, float], now: float) -> float:
        """Share of one core since a moment and its `cpu_seconds`."""
        moment, cpu = since
        return (self.cpu_seconds() - cpu) / (now - moment)

    def held(self) -> Held:
        """Memory, descriptors, threads."""
        process = Path(f"/proc/{self.pid}")
        return Held(
            self.rss_mib(), len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))
        )
