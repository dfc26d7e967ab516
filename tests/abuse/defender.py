"""The server under attack: a release build with its default settings, and the resources that it holds."""

import concurrent.futures
import re
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.abuse.allowance import Allowance
from tests.abuse.bystander import Bystander
from tests.bench.paths import DEMO_BUNDLE, onnxruntime_library, server_binary
from tests.bench.servers import HOST, Server, free_port

BURST = 32
GIVEN_BACK_SECONDS = 10.0
MORE_MIB = 256.0
"""The allocator does not return all freed memory."""
IN_FLIGHT = re.compile(r"^clip_in_requests_in_flight (\S+)$", re.MULTILINE)


class Defender(Server):
    """`clip-in serve` with default settings except its address and state folder."""

    def __init__(self, state: Path, allowance: Allowance, arguments: tuple[object, ...] = ()):
        port = free_port()
        command = [*allowance.wrapper, server_binary(), "serve", "--model", DEMO_BUNDLE]
        command += ["--listen", f"{HOST}:{port}", "--state", state, *arguments]
        super().__init__("abuse", command, port, "/readyz", {"ORT_DYLIB_PATH": onnxruntime_library()})

    @property
    def pid(self) -> int:
        """Process id of the server itself: wrappers are replaced by it."""
        return self._process.pid

    def forget_peak(self) -> None:
        """Resets the peak of resident memory."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def log_lines(self) -> int:
        """Number of log lines so far."""
        return self._log.read_text(errors="replace").count("\n")

    def told_to_stop(self, seconds: float) -> tuple[int | None, float]:
        """Sends SIGTERM; returns the exit status (None: it did not stop) and the seconds that it took."""
        begun = time.monotonic()
        self._process.terminate()
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        return status, time.monotonic() - begun


@dataclass(frozen=True)
class GivenBack:
    """The resources still held after an attack, or when they were released."""

    seconds: float
    problems: tuple[str, ...]


def given_back(server: Defender, before_mib: float) -> GivenBack:
    """Waits until slots and memory are released and a burst of requests is answered completely."""
    begun = time.monotonic()
    while True:
        problems = tuple(_held(server, before_mib))
        taken = time.monotonic() - begun
        if not problems or taken > GIVEN_BACK_SECONDS:
            return GivenBack(taken, problems)
        time.sleep(0.25)


def _held(server: Defender, before_mib: float):
    if not server.alive():
        yield "the server died"
        return
    try:
        found = IN_FLIGHT.search(server.get("/metrics"))
    except OSError as error:
        yield f"/metrics: {error}"
        return
    # The request for the metrics itself counts as one.
    if found and float(found[1]) > 1:
        yield f"{float(found[1]) - 1:.0f} requests are under way"
    if (more := server.rss_mib() - before_mib) > MORE_MIB:
        yield f"{more:.0f} MiB more than before"
    statuses = burst(server)
    if bad := [status for status in statuses if status != "200"]:
        yield f"{len(bad)} of {BURST} requests at once: {bad[0]}"


def burst(server: Defender) -> list[str]:
    """Sends many requests at once."""
    bystander = Bystander(server.address)

    def ask(_number: int) -> str:
        request = urllib.request.Request(
            f"{server.url}/v1/embeddings", bystander.body(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
                return str(answer.status)
        except urllib.error.HTTPError as error:
            return str(error.code)
        except OSError as error:
            return type(error).__name__

    with concurrent.futures.ThreadPoolExecutor(BURST) as clients:
        return list(clients.map(ask, range(BURST)))
