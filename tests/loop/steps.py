"""Runs the commands of the loop, notes how long they took, and kills them on the way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.paths import onnxruntime_library, server_binary
from tests.loop.plant import Plant


class Steps:
    """Runs steps, and notes how long each took."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """One step."""
        print(f"… {name}", file=sys.stderr, flush=True)
        started = time.monotonic()
        yield
        self.rows.append([name, f"{time.monotonic() - started:.0f}"])


@dataclass(frozen=True)
class Kills:
    """How often a command is killed before it runs to its end, and within how many seconds of its start."""

    count: int = 0
    within: float = 1.0


NEVER = Kills()


def clip_in(
    plant: Plant, *words: object, may_fail: bool = False, kills: Kills = NEVER
) -> subprocess.CompletedProcess:
    """Runs the command line."""
    environment = {"CLIP_IN_SERVER": plant.url, "ORT_DYLIB_PATH": onnxruntime_library()}
    return run([server_binary(), *words], environment, may_fail, kills)


def training(*words: object, may_fail: bool = False, kills: Kills = NEVER) -> subprocess.CompletedProcess:
    """Runs the training module."""
    return run([sys.executable, "-m", "clip_in_training", *words], {}, may_fail, kills)


def run(
    command: list, environment: dict, may_fail: bool, kills: Kills = NEVER
) -> subprocess.CompletedProcess:
    """Runs a command. Ends the program with what it said if it fails, unless it may.

    Before that, the command is started and killed with SIGKILL, at times that are spread over `kills.within`. Says
    which of the kills came before the command was done.
    """
    words = [str(word) for word in command]
    whole = {**os.environ, **environment}
    for number in range(kills.count):
        seconds = kills.within * (number + 1) / (kills.count + 1)
        process = subprocess.Popen(
            words, env=whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(seconds)
            print(f"  {' '.join(words[1:4])} was done before its kill", file=sys.stderr, flush=True)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            print(f"  {' '.join(words[1:4])} killed after {seconds:.2f} s", file=sys.stderr, flush=True)
    done = subprocess.run(words, env=whole, capture_output=True, text=True)
    if done.returncode and not may_fail:
        raise SystemExit(
            f"{' '.join(words)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return done
