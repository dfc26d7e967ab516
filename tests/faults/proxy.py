"""HAProxy with the configuration that users are given, on this machine's ports."""

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
    """Runs in the `with`. `retry_on`: instead of what the file says."""

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
                raise SystemExit(f"{CONFIGURATION} does not say {old!r} any more")
            text = text.replace(old, new)
        self._file = folder / "haproxy.cfg"
        self._file.write_text(text)

    def __enter__(self) -> "Proxy":
        program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if program is None:
            raise SystemExit("there is no haproxy: apt-get install haproxy")
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
        """A command of the runtime interface."""
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
        """Requests that a server works on."""
        current = self._column("scur")
        return sum(int(current[backend, server]) for backend in ("rest", "grpc"))

    def retried(self) -> int:
        """Requests that were sent again."""
        return sum(int(n) for (_, name), n in self._column("wretr").items() if name == "BACKEND" and n)

    def drain(self, server: str, seconds: float = 60) -> None:
        """Sends nothing more to a server, and returns when it has answered all."""
        for backend in ("rest", "grpc"):
            self.say(f"set server {backend}/{server} state drain")
        deadline = time.monotonic() + seconds
        while self.under_way(server) and time.monotonic() < deadline:
            time.sleep(0.1)

    def ready(self, server: str) -> None:
        """Lets requests through again, as soon as the health check is content."""
        for backend in ("rest", "grpc"):
            self.say(f"set server {backend}/{server} state ready")

    def wait_up(self, server: str, seconds: float = 60) -> None:
        """Until the health check is content."""
        deadline = time.monotonic() + seconds
        while self.state(server) != "UP":
            if time.monotonic() > deadline:
                raise SystemExit(f"HAProxy does not see server {server} ready: {self.state(server)}")
            time.sleep(0.1)
