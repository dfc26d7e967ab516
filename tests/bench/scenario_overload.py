"""Ten times more requests than the server can handle: how many are answered in time, and how fast are refusals?

The capacity is measured in a closed loop on the same process. Then requests arrive at ten times that rate, each
with `x-request-timeout`. Goodput counts answers 200 within that time from the moment at which the request was due;
the time of refusals (429) is measured as well. The images are small, 128x128, so that the bodies cost little. The
load generator competes with the server for the same cores: goodput is what remains, and the time of a refusal
includes the generator's own delay. The note contains its share of a core.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench import agreement, images, load
from tests.bench.compare import Settings
from tests.bench.contenders import ClipIn, Embeddings
from tests.bench.measurement import measure, percentile
from tests.bench.paths import DEMO_BUNDLE
from tests.bench.report import Report

OVERLOAD = 10.0
LEAST_GOODPUT = 0.9
MOST_REFUSAL_MILLISECONDS = 25.0
DEADLINE_SECONDS = 1.0
CAPACITY_CLIENTS = 32
CONNECTIONS = 4096


def reference(settings: Settings, report: Report) -> None:
    """Runs on the bundle of all scenarios."""
    _overload("overload", settings.bundle, settings, report)


def demo(settings: Settings, report: Report) -> None:
    """Runs on the demo model, with an order of magnitude more requests."""
    _overload("overload-demo", DEMO_BUNDLE, settings, report)


@dataclass(frozen=True)
class Flood:
    """The result of a flood of requests."""

    capacity: float
    run: load.Run
    survived: bool

    @property
    def outcome(self) -> load.Outcome:
        """The only stream's."""
        return self.run.outcomes[0]

    def in_time(self) -> int:
        """Answers 200 within the deadline."""
        return sum(latency <= DEADLINE_SECONDS for latency in self.outcome.latencies.get(200, ()))

    def goodput(self) -> float:
        """Goodput as a share of the capacity."""
        return self.in_time() / self.outcome.seconds / self.capacity

    def refusal_ms(self) -> float:
        """p99 of the refusals in milliseconds; NaN if there are none."""
        return percentile(self.outcome.latencies.get(429, []), 0.99) * 1e3

    def __str__(self) -> str:
        statuses = sorted(self.outcome.latencies)
        answers = ", ".join(f"{self.outcome.count(status)} x {status}" for status in statuses)
        return (
            f"capacity {self.capacity:.1f}/s in a closed loop; {self.outcome.due} requests due at "
            f"{OVERLOAD * self.capacity:.0f}/s: {answers}; {self.in_time()} of the 200s within "
            f"{DEADLINE_SECONDS:g} s; {self.outcome.broken} broken, {self.outcome.unsent} not sent for want "
            f"of a connection; the load generator took {self.run.client_cpu_share:.0%} of a core"
        )


def _overload(scenario: str, bundle: Path, settings: Settings, report: Report) -> None:
    rounds = [_flood(bundle, settings.seconds) for _ in range(settings.rounds)]
    for flood in rounds:
        report.note(scenario, str(flood))
    if not all(flood.survived for flood in rounds):
        report.failed(scenario, "the server did not survive")
    goodput = median(flood.goodput() for flood in rounds)
    report.at_least(scenario, "goodput at ten times the load, share of capacity", goodput, LEAST_GOODPUT)
    refusals = [flood.refusal_ms() for flood in rounds if flood.outcome.count(429)]
    if refusals:
        report.at_most(scenario, "p99 of refusals in ms", median(refusals), MOST_REFUSAL_MILLISECONDS)
    else:
        report.failed(scenario, "no request was refused with 429: the rest waited until its deadline")


def _flood(bundle: Path, seconds: float) -> Flood:
    files = images.jpegs(128, 128)
    ours = ClipIn(bundle)
    plain = [ours.embeddings.image(file) for file in files]
    hurried = [Embeddings({"x-request-timeout": f"{DEADLINE_SECONDS}"}).image(file) for file in files]
    with ours.start() as server:
        agreement.vectors(server, plain)
        capacity = measure(server, plain, CAPACITY_CLIENTS, seconds).per_second
        flood = load.Stream(hurried, CONNECTIONS, rate=OVERLOAD * capacity)
        run = load.run(server.address, [flood], seconds, warm_up=2 * DEADLINE_SECONDS)
        return Flood(capacity, run, server.alive())
