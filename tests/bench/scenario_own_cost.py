"""The server's own CPU time per request, besides decoding and inference: HTTP, JSON, queue, answer.

Measured without decoding and inference: one cached text at /v1/embeddings. The server's CPU time (all threads,
kernel included, from /proc) is read every half second. The CPU time of a window divided by its requests is one
sample, and the target applies to the median of the samples. As a cross-check, images are sent one at a time to the
same server, and decoding and inference time from its metrics are subtracted from the CPU time of a request. This
difference of large numbers is imprecise, so it has no target.
"""

from statistics import median

from tests.bench import agreement, images, load
from tests.bench.compare import Settings
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn
from tests.bench.exposition import Counters
from tests.bench.report import Report
from tests.bench.servers import Server
from tests.bench.texts import captions

SCENARIO = "own-cost"
MOST_MICROSECONDS = 150.0
WINDOW_SECONDS = 0.5
LABELS = 32


def run(settings: Settings, report: Report) -> None:
    """Both measurements."""
    ours = ClipIn(settings.bundle)
    with ours.start() as server:
        texts = [ours.embeddings.texts([label]) for label in captions(LABELS)]
        for clients in (1, settings.clients):
            windows, share = cached_text_windows(server, texts, clients, settings.seconds)
            report.note(
                SCENARIO,
                f"one cached text a request, {clients} client(s): {median(windows):.1f} µs CPU a request, "
                f"median of {len(windows)} windows; the load generator took {share:.0%} of a core",
            )
        report.at_most(SCENARIO, "CPU µs of a request's own", median(windows), MOST_MICROSECONDS)
        pictures = [ours.embeddings.image(file) for file in images.jpegs(640, 480)]
        report.note(SCENARIO, image_cross_check(server, pictures, max(10.0, settings.seconds)))


def cached_text_windows(
    server: Server, requests: list[Request], clients: int, seconds: float
) -> tuple[list[float], float]:
    """CPU microseconds per request, one value per window; and the generator's share of a core."""
    agreement.vectors(server, requests, len(requests))
    done = load.run(
        server.address,
        [load.Stream(requests, clients)],
        seconds,
        probe=server.cpu_seconds,
        probe_interval=WINDOW_SECONDS,
    )
    windows = [
        (cpu_after - cpu) / (answers_after - answers) * 1e6
        for (_, answers, cpu), (_, answers_after, cpu_after) in zip(
            done.probes, done.probes[1:], strict=False
        )
        if answers_after > answers
    ]
    return windows, done.client_cpu_share


def image_cross_check(server: Server, requests: list[Request], seconds: float) -> str:
    """One client; measured from idle to idle, so that no request is counted partly."""
    agreement.vectors(server, requests)
    cpu, before = server.cpu_seconds(), Counters.of(server)
    load.run(server.address, [load.Stream(requests, 1)], seconds, warm_up=0)
    happened, cpu = Counters.of(server) - before, server.cpu_seconds() - cpu
    count = max(1.0, happened.count("clip_in_decode_seconds"))
    steps = ("clip_in_decode_seconds", "clip_in_resize_seconds")
    decode = sum(happened.total(step) for step in steps) / count
    inference = happened.total("clip_in_inference_seconds", '{modality="image"}') / count
    rest = cpu / count - decode - inference
    return (
        f"cross-check: {count:.0f} images of 640x480, one at a time: {cpu / count * 1e3:.2f} ms CPU each; "
        f"less decode {decode * 1e3:.2f} ms and inference {inference * 1e3:.2f} ms (wall, from /metrics) "
        f"that leaves {rest * 1e6:.0f} µs"
    )
