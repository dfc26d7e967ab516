"""HAProxy with the documented configuration, on this machine's ports."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.bench.paths import ROOT
from tests.faults.process import HOST, free_port

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
START_SECONDS = 10


class Proxy:
    """Runs inside the `with` block. `retry_on` replaces the setting of the file."""

    def __init__(self, folder: Path, ports: dict[str, int], retry_on: str | None = None):
        self.address = (HOST, free_port())
        self._socket = folder / "haproxy.sock"
        text = CONFIGURATION.read_text()
        changes = {
            "/run/haproxy/admin.sock": str(self._socket),
            "127.0.0.1:8000": f"{HOST}:{self.address[1]}",
            "192.0.2.1:8080": f"{HOST}:{ports['a']}",
            "192.0.2.2:8080": f"{HOST}:{ports['b']}",
        }
        if retry_on:
            changes["    retry-on conn-failure\n"] = f"    retry-on {retry_on}\n"
        for old, new in changes.items():
            if old not in text:
                raise SystemExit(f"{CONFIGURATION} no longer contains {old!r}")
            text = text.replace(old, new)
        self._file = folder / "haproxy.cfg"
        self._file.write_text(text)

    def __enter__(self) -> "Proxy":
        program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if program is None:
            raise SystemExit("haproxy is not installed: apt-get install haproxy")
        self._log = self._file.with_suffix(".log").open("w")
        self._process = subprocess.Popen(
            [program, "-db", "-f", self._file], stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + START_SECONDS
        while {self.state(name) for name in "ab"} != {"UP"}:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise SystemExit(f"HAProxy does not start:\n{self._file.with_suffix('.log').read_text()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_exception) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def say(self, command: str) -> str:
        """Sends a command to the runtime interface."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def _column(self, column: str) -> dict[tuple[str, str], str]:
        try:
            lines = self.say("show stat").lstrip("# ").splitlines()
        except OSError:
            return {}
        names = lines[0].split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line]
        return {(row["pxname"], row["svname"]): row[column] for row in rows}

    def state(self, server: str) -> str:
        """`UP`, `DOWN`, `DRAIN` …"""
        return self._column("status").get(("rest", server), "")

    def under_way(self, server: str) -> int:
        """Number of requests that a server is processing."""
        current = self._column("scur")
        return sum(int(current[backend, server]) for backend in ("rest", "grpc"))

    def retried(self) -> int:
        """Number of requests that were sent again."""
        return sum(int(n) for (_, name), n in self._column("wretr").items() if name == "BACKEND" and n)

    def drain(self, server: str, seconds: float = 60) -> None:
        """Stops new requests to a server, and returns when it has answered all others."""
        for backend in ("rest", "grpc"):
            self.say(f"set server {backend}/{server} state drain")
        deadline = time.monotonic() + seconds
        while self.under_way(server) and time.monotonic() < deadline:
            time.sleep(0.1)

    def ready(self, server: str) -> None:
        """Sends requests to a server again, as soon as its health check succeeds."""
        for backend in ("rest", "grpc"):
            self.say(f"set server {backend}/{server} state ready")

    def wait_up(self, server: str, seconds: float = 60) -> None:
        """Waits until the health check succeeds."""
        deadline = time.monotonic() + seconds
        while self.state(server) != "UP":
            if time.monotonic() > deadline:
                raise SystemExit(f"HAProxy does not see server {server} ready: {self.state(server)}")
            time.sleep(0.1)
