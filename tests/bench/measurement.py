"""One server under one load: what clients see, and its cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

from tests.bench import load
from tests.bench.connection import Request
from tests.bench.servers import Server


@dataclass(frozen=True)
class Measurement:
    """A row of the table; NaN where a value cannot be measured because the contender is not a server."""

    per_second: float
    p50_ms: float = math.nan
    p99_ms: float = math.nan
    cpu_ms: float = math.nan
    peak_mib: float = math.nan
    end_mib: float = math.nan
    client_share: float = math.nan


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def measure(server: Server, requests: Sequence[Request], clients: int, seconds: float) -> Measurement:
    """Runs a closed loop; a wrong answer raises an error."""
    run = load.run(server.address, [load.Stream(requests, clients)], seconds, probe=server.cpu_seconds)
    latencies = [latency for answers in run.outcomes[0].latencies.values() for latency in answers]
    if not latencies:
        raise load.LoadError(f"{server.name} answered nothing in {seconds} s")
    (start, _, cpu_before), (end, _, cpu_after) = run.probes[0], run.probes[-1]
    return Measurement(
        per_second=len(latencies) / (end - start),
        p50_ms=percentile(latencies, 0.5) * 1e3,
        p99_ms=percentile(latencies, 0.99) * 1e3,
        cpu_ms=(cpu_after - cpu_before) / len(latencies) * 1e3,
        peak_mib=server.peak_rss_mib(),
        end_mib=server.rss_mib(),
        client_share=run.client_cpu_share,
    )


def typical(rounds: Sequence[Measurement]) -> Measurement:
    """The median of each value."""
    return Measurement(
        *(median(getattr(each, field.name) for each in rounds) for field in fields(Measurement))
    )


def ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float:
    """Ratio of requests per second: the median over rounds, paired within each round."""
    return median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))


def latency_ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float:
    """Ratio of the median latencies: the median over rounds, paired within each round."""
    return median(a.p50_ms / b.p50_ms for a, b in zip(ours, theirs, strict=True))
