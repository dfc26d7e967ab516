"""`make soak`: an hour of all kinds of requests, at 80 % of the server's capacity.

Closed loops of the same requests measure the capacity first. Then requests arrive at a fixed rate: REST from this
process and some gRPC from another one. Every five seconds, resident memory, descriptors and threads are written to
a CSV file, which is plotted. These must hold at the end:

- memory without the text cache grew by less than 2 % after minute 5: the median of minutes 5 to 15 against that of
  the last ten minutes (bodies and images in flight move it by 10 % within a minute);
- the number of threads is stable: the same medians differ by at most 2; so is the number of descriptors, read
  between the sixths of the time, when the generator has closed its connections;
- p99 of the last sixth of the time was at most 1.1 times that of the first;
- valid requests were answered with 200, invalid ones with the expected error, and none was lost.

(A test soak shorter than 40 minutes uses a quarter of its time for each of these spans.)
"""

import argparse
import base64
import csv
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median

from tests.bench import load, machine
from tests.bench.contenders import ClipIn
from tests.bench.environments import ensure
from tests.bench.measurement import percentile
from tests.bench.paths import BENCH_PYTHON, CACHE, DEMO_BUNDLE, HERE, ROOT
from tests.bench.servers import Server
from tests.bench.soak_requests import LABEL_SET, LINE, part, requests

SAMPLE_SECONDS = 5.0
SETTLED_MINUTES = 5.0
SPAN_MINUTES = 10.0
MOST_GROWTH = 0.02
MOST_DRIFT = 2
MOST_SLOWER = 1.1
WINDOWS = 6
CAPACITY_SECONDS = 60.0
WARM_UP_SECONDS = 30.0
GRPC_CALLS_A_SECOND = 2.0
CONNECTIONS = 256
CLIENTS_PYTHON = CACHE / "clients-venv" / "bin" / "python"


@dataclass(frozen=True)
class Sample:
    """Resources of the server at one moment."""

    minutes: float
    rss_mib: float
    cache_mib: float
    """Size of the text cache by the server's own metric. The cache fills until it is full, which is intended."""
    descriptors: int
    threads: int


class Watch:
    """Samples a server until it is stopped; each sample is written to the file at once."""

    def __init__(self, server: Server, file: Path):
        self.samples: list[Sample] = []
        self._server, self._file, self._stop = server, file, threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        start = time.monotonic()
        with self._file.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(field.name for field in fields(Sample))
            while not self._stop.wait(SAMPLE_SECONDS):
                minutes = (time.monotonic() - start) / 60
                server = self._server
                sample = Sample(
                    minutes, server.rss_mib(), cache_mib(server), server.descriptors(), server.threads()
                )
                self.samples.append(sample)
                rows.writerow(f"{value:.3f}".removesuffix(".000") for value in astuple(sample))
                file.flush()


def cache_mib(server: Server) -> float:
    """Size of the text cache in MiB."""
    (line,) = (
        line for line in server.get("/metrics").splitlines() if line.startswith("clip_in_text_cache_bytes")
    )
    return float(line.split()[-1]) / 2**20


class Verdicts:
    """Prints expected and actual values; records whether all targets are met."""

    def __init__(self):
        self.all_met = True

    def say(self, met: bool, text: str) -> None:
        """One line."""
        self.all_met &= met
        print(f"{'met' if met else 'MISSED'}: {text}", flush=True)


def judge_samples(samples: list[Sample], minutes: float, verdicts: Verdicts) -> None:
    """Compares memory and threads after settling and at the end: medians, because bodies and images come and go."""
    settled, span = min(SETTLED_MINUTES, minutes / 4), min(SPAN_MINUTES, minutes / 4)
    early = [sample for sample in samples if settled <= sample.minutes <= settled + span]
    late = [sample for sample in samples if sample.minutes >= samples[-1].minutes - span]

    def middle(some: list[Sample], value: Callable[[Sample], float]) -> float:
        return median(map(value, some))

    before, after = (middle(some, lambda sample: sample.rss_mib - sample.cache_mib) for some in (early, late))
    cache = [middle(some, lambda sample: sample.cache_mib) for some in (early, late)]
    grown = after / before - 1
    verdicts.say(
        grown < MOST_GROWTH,
        f"memory without the cache of texts {before:.1f} MiB once settled, {after:.1f} MiB at the end: {grown:+.2%}, "
        f"less than {MOST_GROWTH:+.0%} wanted; the cache {cache[0]:.1f} and {cache[1]:.1f} MiB",
    )
    before, after = (middle(some, lambda sample: sample.threads) for some in (early, late))
    verdicts.say(
        after - before <= MOST_DRIFT,
        f"threads {before:.0f} once settled, {after:.0f} at the end, at most {MOST_DRIFT} more wanted",
    )


def grpc_calls(server: Server, seconds: float) -> subprocess.Popen | None:
    """Starts gRPC's share in its own process; `None` without the clients' environment."""
    if not CLIENTS_PYTHON.exists():
        print("no gRPC: the clients' environment is missing (make test-clients creates it)")
        return None
    command = [CLIENTS_PYTHON, "-m", "tests.bench.soak_grpc", f"{server.address[0]}:{server.port}"]
    command += [str(seconds), str(GRPC_CALLS_A_SECOND)]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def judge_grpc(process: subprocess.Popen, verdicts: Verdicts) -> None:
    """Checks the results of the gRPC calls."""
    output, _ = process.communicate(timeout=120)
    seen = json.loads(output.splitlines()[-1])
    failed = {call: count for call, count in seen["calls"].items() if not call.endswith(" OK")}
    total = sum(seen["calls"].values())
    verdicts.say(
        not failed, f"{total} gRPC calls, {failed or 'none'} failed; longest {seen['longest_seconds']:.2f} s"
    )


def put_what_is_named(server: Server) -> None:
    """Stores the label set and the line that some of the requests name."""
    labels = [
        {"label": "good", "texts": ["a plate"]},
        {"label": "bad", "texts": ["a scratched plate"]},
    ]
    line = {"references": [base64.b64encode(part(0)).decode()]}
    for path, content in ((f"labelsets/{LABEL_SET}", {"labels": labels}), (f"lines/{LINE}", line)):
        request = urllib.request.Request(
            f"{server.url}/v1/{path}",
            json.dumps(content).encode(),
            {"content-type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request, timeout=60).close()


def soak(server: Server, mixture: list, options: argparse.Namespace, verdicts: Verdicts) -> None:
    """Measures the capacity, then loads the server for the whole time."""
    put_what_is_named(server)
    capacity_seconds = min(CAPACITY_SECONDS, options.minutes * 6)
    background = grpc_calls(server, capacity_seconds)
    closed = load.run(server.address, [load.Stream(mixture, options.clients)], capacity_seconds)
    if background:
        background.communicate()
    capacity = closed.outcomes[0].answered() / capacity_seconds
    rate = options.share * capacity
    print(f"{capacity:.1f} requests/s with {options.clients} clients; now {rate:.1f}/s", flush=True)
    seconds = options.minutes * 60
    background = grpc_calls(server, seconds + WARM_UP_SECONDS)
    slowest, idle, at_rest = [], [], []
    with Watch(server, options.out / "samples.csv") as watch:
        for window in range(WINDOWS):
            # A different start in the mixture, so that a window does not begin where the previous one began.
            turned = mixture[window * 250 :] + mixture[: window * 250]
            stream = load.Stream(turned, CONNECTIONS, rate=rate)
            warm_up = WARM_UP_SECONDS if window == 0 else 0
            (outcome,) = load.run(server.address, [stream], seconds / WINDOWS, warm_up=warm_up).outcomes
            time.sleep(1)
            # The generator's connections are closed; gRPC's connection stays open.
            idle.append(server.descriptors())
            at_rest.append(f"{server.rss_mib() - cache_mib(server):.0f}")
            latencies = [latency for some in outcome.latencies.values() for latency in some]
            slowest.append(percentile(latencies, 0.99))
            answers = ", ".join(f"{outcome.count(status)} x {status}" for status in sorted(outcome.latencies))
            print(
                f"window {window + 1}: p50 {percentile(latencies, 0.5) * 1e3:.1f} ms, "
                f"p99 {slowest[-1] * 1e3:.1f} ms, "
                f"longest {max(latencies) * 1e3:.0f} ms; {answers}; {outcome.unsent} unsent, {outcome.broken} broken",
                flush=True,
            )
            wrong = sum(outcome.unexpected.values())
            if wrong or outcome.broken or outcome.unsent:
                verdicts.say(
                    False,
                    f"{wrong} wrong statuses {dict(outcome.unexpected)}, {outcome.broken} broken, "
                    f"{outcome.unsent} unsent",
                )
    print(f"memory between the windows, without the cache of texts: {', '.join(at_rest)} MiB")
    judge_samples(watch.samples, options.minutes, verdicts)
    verdicts.say(
        idle[-1] - idle[0] <= MOST_DRIFT,
        f"descriptors after each window, without connections: {idle}, at most {MOST_DRIFT} more wanted",
    )
    ratio = slowest[-1] / slowest[0]
    verdicts.say(
        ratio <= MOST_SLOWER,
        f"p99 of the last window {ratio:.2f} times that of the first, at most {MOST_SLOWER} wanted",
    )
    if background:
        judge_grpc(background, verdicts)


def main() -> int:
    """Runs the soak; returns 0 if all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=8, help="clients that measure the capacity")
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity")
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE, help="model (default: models/demo)")
    parser.add_argument("--precision", default="auto")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "soak", help="folder of the CSV and the plot"
    )
    options = parser.parse_args()
    ensure(BENCH_PYTHON)
    options.out.mkdir(parents=True, exist_ok=True)
    print(machine.describe(), flush=True)
    mixture = requests()
    size = sum(len(request.bytes) for request in mixture) / 1e6
    print(
        f"{len(mixture)} different requests, {size:.0f} MB; {options.bundle.name}, {options.precision}",
        flush=True,
    )
    verdicts = Verdicts()
    state = options.out / f"state-{os.getpid()}"
    contender = ClipIn(options.bundle.resolve(), "--state", str(state), precision=options.precision)
    with contender.start() as server:
        try:
            soak(server, mixture, options, verdicts)
        except load.LoadError as error:
            verdicts.say(False, f"{error}\n{server.log_tail()}")
        else:
            print(f"peak {server.peak_rss_mib():.0f} MiB")
    plot = options.out / "samples.png"
    subprocess.run([BENCH_PYTHON, HERE / "soak_plot.py", options.out / "samples.csv", plot], check=True)
    print(plot)
    return 0 if verdicts.all_met else 1


if __name__ == "__main__":
    sys.exit(main())
