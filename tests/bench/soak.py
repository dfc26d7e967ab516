"""`make soak`: does memory stay where it is? Twenty minutes of everything that a server may be sent.

Resident memory is read every five seconds, into a CSV file and a plot. After minute 5 it must grow by less
than 2 %: the median of minute 5 to 6 against the median of the last minute. (A soak that is shorter than 20
minutes, to try things out, takes a quarter of its time for the first five minutes.) Sound requests must be
answered with 200, broken ones with the error that they deserve; anything else ends the soak with status 1.
"""

import argparse
import csv
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

import load
import machine
from contenders import ClipIn
from environments import ensure
from model_files import reference_bundle
from paths import BENCH_PYTHON, HERE, ROOT
from servers import Server
from soak_requests import requests

SAMPLE_SECONDS = 5.0
SETTLED_MINUTES = 5.0
MOST_GROWTH = 0.02

Sample = tuple[float, float]
"""Minutes since the start, resident MiB."""


class Memory:
    """Reads a server's memory until it is told to stop; each sample goes to the file at once."""

    def __init__(self, server: Server, file: Path):
        self.samples: list[Sample] = []
        self._server, self._file, self._stop = server, file, threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        start = time.monotonic()
        with self._file.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("minutes", "rss_mib"))
            while not self._stop.wait(SAMPLE_SECONDS):
                sample = (time.monotonic() - start) / 60, self._server.rss_mib()
                self.samples.append(sample)
                rows.writerow((f"{sample[0]:.3f}", f"{sample[1]:.2f}"))
                file.flush()


def growth(samples: list[Sample], minutes: float) -> tuple[float, float, float]:
    """Memory when it has settled and at the end, and by what share it grew in between."""
    settled = min(SETTLED_MINUTES, minutes / 4)
    span = min(1.0, minutes / 4)
    early = median(mib for minute, mib in samples if settled <= minute <= settled + span)
    late = median(mib for minute, mib in samples if minute >= samples[-1][0] - span)
    return early, late, late / early - 1


def main() -> int:
    """Runs the soak; 0 if memory stayed and every answer was right."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--bundle", type=Path, help="model (default: random ViT-B/32, made on first use)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "soak", help="folder of the CSV and the plot"
    )
    options = parser.parse_args()
    ensure(BENCH_PYTHON)
    bundle = (options.bundle or reference_bundle()).resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    table, plot = options.out / "rss.csv", options.out / "rss.png"
    print(machine.describe(), flush=True)
    mixture = requests()
    size = sum(len(request.bytes) for request in mixture) / 1e6
    print(
        f"{len(mixture)} different requests, {size:.0f} MB; {options.clients} clients; {bundle.name}",
        flush=True,
    )
    stream = load.Stream(mixture, options.clients)
    seconds = options.minutes * 60
    with ClipIn(bundle).start() as server, Memory(server, table) as memory:
        try:
            run = load.run(server.address, [stream], seconds, warm_up=0)
        except load.LoadError as error:
            print(f"MISSED: {error}\n{server.log_tail()}", file=sys.stderr)
            return 1
        peak = server.peak_rss_mib()
    (outcome,) = run.outcomes
    answers = ", ".join(f"{outcome.count(status)} x {status}" for status in sorted(outcome.latencies))
    print(f"{outcome.answered() / seconds:.1f} requests/s: {answers}; peak {peak:.0f} MiB")
    subprocess.run([BENCH_PYTHON, HERE / "soak_plot.py", table, plot], check=True)
    early, late, grown = growth(memory.samples, options.minutes)
    verdict = "met" if grown < MOST_GROWTH else "MISSED"
    print(
        f"{verdict}: memory {early:.1f} MiB once settled, {late:.1f} MiB at the end: {grown:+.2%}, "
        f"less than {MOST_GROWTH:+.0%} wanted; {table} {plot}"
    )
    return 0 if grown < MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
