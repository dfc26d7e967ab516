"""Bulk work in the background: how much longer does an interactive request take?

64 clients send images in the bulk lane, as fast as they are answered. Another one sends an image a few times per
second in the interactive lane. It may wait for the running batch and no longer: its p99 may exceed that of an
unloaded server by at most the longest time of a bulk batch (`--bulk-batch-milliseconds`, 150 by default). Both are
measured on the same process, a new one in each round. The load generator itself competes for the cores; the note
contains its share.
"""

from dataclasses import dataclass
from statistics import median

from tests.bench import agreement, images, load
from tests.bench.compare import Settings
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn, Embeddings
from tests.bench.exposition import Counters
from tests.bench.measurement import percentile
from tests.bench.report import Report

SCENARIO = "lanes"
BULK_CLIENTS = 64
INTERACTIVE_PER_SECOND = 4.0
BULK_BATCH_MILLISECONDS = 150.0
LEAST_SECONDS = 25.0
"""A hundred interactive requests: with fewer there is no p99."""

INFERENCE, BATCH = "clip_in_inference_seconds", "clip_in_batch_items"
IMAGE = '{modality="image"}'


@dataclass(frozen=True)
class Waits:
    """Latencies of interactive requests in milliseconds, and the work of the bulk lane meanwhile."""

    unloaded: list[float]
    loaded: list[float]
    bulk: str

    def added(self) -> float:
        """Milliseconds that the bulk load adds to p99."""
        return percentile(self.loaded, 0.99) - percentile(self.unloaded, 0.99)

    def __str__(self) -> str:
        alone, beside = (
            f"p50 {percentile(waits, 0.5):.0f}, p99 {percentile(waits, 0.99):.0f} ms ({len(waits)} requests)"
            for waits in (self.unloaded, self.loaded)
        )
        return f"interactive alone {alone}; beside {BULK_CLIENTS} bulk clients {beside}; {self.bulk}"


def run(settings: Settings, report: Report) -> None:
    """Rounds of two measurements: unloaded, then loaded."""
    rounds = [_round(settings) for _ in range(settings.rounds)]
    for waits in rounds:
        report.note(SCENARIO, str(waits))
    report.at_most(
        SCENARIO,
        "ms that bulk load adds to interactive p99",
        median(waits.added() for waits in rounds),
        BULK_BATCH_MILLISECONDS,
    )


def _round(settings: Settings) -> Waits:
    seconds = max(settings.seconds, LEAST_SECONDS)
    files = images.jpegs(640, 480)
    ours = ClipIn(settings.bundle)
    interactive = [ours.embeddings.image(file) for file in files]
    bulk = [Embeddings({"x-clip-in-lane": "bulk"}).image(file) for file in files]
    with ours.start() as server:
        agreement.vectors(server, interactive)
        alone = load.run(server.address, [_few(interactive)], seconds)
        before = Counters.of(server)
        busy = load.run(server.address, [_few(interactive), load.Stream(bulk, BULK_CLIENTS)], seconds)
        happened = Counters.of(server) - before
    for outcome in (*alone.outcomes, *busy.outcomes):
        if outcome.unexpected or outcome.broken:
            raise load.LoadError(f"statuses {dict(outcome.unexpected)}, {outcome.broken} broken connections")
    bulk_did = (
        f"bulk {busy.outcomes[1].answered() / seconds:.1f} images/s in batches of "
        f"{happened.mean(BATCH, IMAGE):.1f} that took {happened.mean(INFERENCE, IMAGE) * 1e3:.0f} ms on "
        f"average (/metrics); the load generator took {busy.client_cpu_share:.0%} of a core"
    )
    return Waits(_milliseconds(alone.outcomes[0]), _milliseconds(busy.outcomes[0]), bulk_did)


def _few(requests: list[Request]) -> load.Stream:
    # Several connections, so that a request that is due does not wait for the previous one.
    return load.Stream(requests, clients=8, rate=INTERACTIVE_PER_SECOND)


def _milliseconds(outcome: load.Outcome) -> list[float]:
    return [latency * 1e3 for latency in outcome.latencies.get(200, [])]
