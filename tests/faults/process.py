"""A server for fault tests: limits, kill, restart on the same port, and its resources."""

import signal
from dataclasses import dataclass
from pathlib import Path

from tests.bench.paths import DEMO_BUNDLE, onnxruntime_library, server_binary
from tests.bench.servers import HOST, Server, free_port

READY = "/readyz"


@dataclass(frozen=True)
class Held:
    """Resources of a process at one moment."""

    rss_mib: float
    descriptors: int
    threads: int

    def growth(self, earlier: "Held") -> str:
        """Description for the table."""
        return (
            f"{earlier.rss_mib:.0f} → {self.rss_mib:.0f} MiB, {earlier.descriptors} → {self.descriptors} fds, "
            f"{earlier.threads} → {self.threads} threads"
        )


class ClipInProcess(Server):
    """`clip-in serve`, ready when this returns. `wrapper` is a command prefix, such as `prlimit`."""

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
        # fp32 and no text cache: each answer is computed, with the same result in any batch.
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
        """Process id of the server itself: wrappers are replaced by it."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The log so far."""
        return self._log

    def kill(self) -> None:
        """Sends SIGKILL; returns when the process has ended."""
        self._process.kill()
        self._process.wait()

    def terminate(self, seconds: float = 90) -> int:
        """Sends SIGTERM; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def cpu_share(self, since: tuple[float, float], now: float) -> float:
        """Share of one core since a moment, given its `cpu_seconds`."""
        moment, cpu = since
        return (self.cpu_seconds() - cpu) / (now - moment)

    def held(self) -> Held:
        """Memory, descriptors, threads."""
        process = Path(f"/proc/{self.pid}")
        return Held(
            self.rss_mib(), len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))
        )
