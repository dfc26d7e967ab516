"""Debian's Prometheus with the files of deploy/prometheus, for a local server."""

import json
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.python.conftest import ROOT

FILES = ROOT / "deploy" / "prometheus"
START_SECONDS = 60


class Prometheus:
    """Its HTTP interface."""

    def __init__(self, url: str):
        self.url = url

    def ask(self, path: str, **parameters: str) -> dict | list:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            return json.load(answer)["data"]

    def values(self, expression: str) -> list[float]:
        """Current values, one per series."""
        return [float(series["value"][1]) for series in self.ask("query", query=expression)["result"]]

    def alert_rules(self) -> dict[str, dict]:
        groups = self.ask("rules", type="alert")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def state(self, alert: str) -> str:
        """inactive, pending or firing."""
        return self.alert_rules()[alert]["state"]


def replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        assert old in text, f"{old!r} is no longer in the file"
        text = text.replace(old, new)
    return text


@contextmanager
def watching(server: str, faster: dict[str, str]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a server once per second; `faster` replaces durations of the rules."""
    with tempfile.TemporaryDirectory() as folder:
        target = server.removeprefix("http://")
        config = (FILES / "prometheus.yml").read_text()
        config = replaced(config, {"clip-in:8080": target, "_interval: 15s": "_interval: 1s"})
        Path(folder, "prometheus.yml").write_text(config)
        Path(folder, "rules.yml").write_text(replaced((FILES / "rules.yml").read_text(), faster))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}",
        ]
        log = Path(folder, "log")
        with log.open("w") as stderr:
            process = subprocess.Popen(command, stdout=stderr, stderr=stderr)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not is_ready(f"http://{address}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"Prometheus did not start:\n{log.read_text()}")
                time.sleep(0.2)
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
