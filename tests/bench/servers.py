"""A server as a process tree: start, wait until ready, measure through /proc, stop."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.bench.paths import LOGS

HOST = "127.0.0.1"
START_SECONDS = 300
STOP_SECONDS = 40
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    """The server did not start; the message contains the end of its log."""

    def __init__(self, message: str, refused: bool = False):
        super().__init__(message)
        self.refused = refused
        """Whether it ended by itself with status 1 because this machine does not support the requested setting."""


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Server:
    """Starts `command` and waits until `ready_path` answers 200; to be used in a `with`."""

    def __init__(self, name: str, command: list, port: int, ready_path: str, environment: dict | None = None):
        self.name, self.port, self.address = name, port, (HOST, port)
        self.url = f"http://{HOST}:{port}"
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / f"{name.replace(' ', '-').replace('/', '-')}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**_clean_environment(), **(environment or {})},
                start_new_session=True,
            )
        try:
            self._wait_ready(ready_path)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_exception) -> None:
        self.stop()

    def cpu_seconds(self) -> float:
        """User and system time of all processes and threads so far, including child processes that have ended."""
        ticks = 0
        for pid in self._tree():
            fields = _stat(pid)
            # utime, stime, and the same for child processes that have ended: cutime, cstime
            ticks += sum(map(int, fields[11:15])) if fields else 0
        return ticks / TICKS_PER_SECOND

    def rss_mib(self) -> float:
        """Resident memory; shared memory counts in each process."""
        return sum(_status_mib(pid, "VmRSS") for pid in self._tree())

    def peak_rss_mib(self) -> float:
        """Largest resident memory since the start; for several processes the sum of their peaks."""
        return sum(_status_mib(pid, "VmHWM") for pid in self._tree())

    def descriptors(self) -> int:
        """Number of open files and connections."""
        return sum(_entries(pid, "fd") for pid in self._tree())

    def threads(self) -> int:
        """Number of threads of all its processes."""
        return sum(_entries(pid, "task") for pid in self._tree())

    def get(self, path: str) -> str:
        """Body of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def alive(self) -> bool:
        """Whether the started process still runs."""
        return self._process.poll() is None

    def log_tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """Sends SIGTERM, then SIGKILL to the rest of its process group."""
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"  {self.name} does not stop; it is killed", flush=True)
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def _wait_ready(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive():
                message = f"{self.name} ended before it was ready:\n{self.log_tail()}"
                raise ServerError(message, refused=self._process.returncode == 1)
            try:
                self.get(path)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise ServerError(f"{self.name} is not ready after {START_SECONDS} s:\n{self.log_tail()}")

    def _tree(self) -> list[int]:
        """The process and its descendants."""
        found, unread = [], [self._process.pid]
        while unread:
            pid = unread.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    unread += map(int, children.read_text().split())
                except OSError:
                    continue  # the thread has ended
        return found


def _clean_environment() -> dict[str, str]:
    """This process's environment without settings of the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CLIP_IN_")}


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; the second may contain spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _entries(pid: int, folder: str) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/{folder}"))
    except OSError:
        return 0  # the process has ended


def _status_mib(pid: int, field: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    kib = [line.split()[1] for line in lines if line.startswith(field + ":")]
    return int(kib[0]) / 1024 if kib else 0.0
