"""`make stream`: one bulk client streams 10,000 images over gRPC.

Answers must arrive in order, each with the embedding of its image. One broken image among them is reported at its
index, and the stream continues. Memory at the end must be within 5 % of that after the first 2,000 images. Then
rounds alternate between the stream and `/v1/embeddings` with the same images, in the bulk lane, with as many
requests in flight as the stream has items. The stream must reach 0.95 of the rate of requests.
"""

import argparse
import json
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc
import numpy as np

from tests.bench import load, machine
from tests.bench.contenders import ClipIn, Embeddings
from tests.bench.grpc_messages import generated
from tests.bench.images import describe, jpegs
from tests.bench.paths import DEMO_BUNDLE
from tests.bench.servers import Server

BULK = {"x-clip-in-lane": "bulk"}
WINDOW = 32
"""Number of items of a stream that the server processes at a time."""
BROKEN = b"\xff\xd8\xff\xe0 begins as a JPEG does"
SETTLED = 2000
MOST_GROWTH = 0.05
LEAST_RATIO = 0.95
WARM_UP = 4 * WINDOW


class Client:
    """A bulk client of one server."""

    def __init__(self, server: Server, proto: tuple):
        self._messages, services = proto
        self._channel = grpc.insecure_channel(f"{server.address[0]}:{server.port}")
        self._stub = services.ClipInStub(self._channel)

    def stream(self, images: Iterable[bytes]) -> Iterator:
        """The answers to a stream of images."""
        pb = self._messages
        requests = (pb.EmbedStreamRequest(item=pb.Item(image=image)) for image in images)
        return self._stub.EmbedStream(requests, metadata=list(BULK.items()))


def reference(server: Server, image: bytes) -> np.ndarray:
    """The image's embedding by REST."""
    request = urllib.request.Request(
        f"{server.url}/v1/embeddings", image, {"content-type": "image/jpeg", **BULK}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return np.array(json.load(answer)["data"][0]["embedding"], np.float32)


def long_stream(server: Server, client: Client, files: list[bytes], count: int) -> tuple[float, float, float]:
    """Checks every answer; returns memory in MiB after the first images and at the end, and images per second."""
    expected = [reference(server, file) for file in files]
    broken_at = count // 2
    images = (BROKEN if i == broken_at else files[i % len(files)] for i in range(count))
    start, settled, seen = time.perf_counter(), 0.0, 0
    for i, answer in enumerate(client.stream(images)):
        if answer.index != i:
            raise SystemExit(f"answer {i} is of item {answer.index}")
        if (i == broken_at) != (answer.WhichOneof("result") == "error"):
            raise SystemExit(f"item {i}: {answer.error or 'the broken image was embedded'}")
        if i != broken_at:
            distance = np.abs(np.array(answer.embedding.values) - expected[i % len(files)]).max()
            if distance > 1e-5:
                raise SystemExit(f"item {i}: {distance} off the embedding of its image")
        seen = i + 1
        if seen == min(SETTLED, count // 5):
            settled = server.rss_mib()
    if seen != count:
        raise SystemExit(f"{seen} answers to {count} items")
    return settled, server.rss_mib(), count / (time.perf_counter() - start)


@dataclass(frozen=True)
class Rate:
    """The result of half a round."""

    per_second: float
    """Images."""
    cpu_ms: float
    """CPU time of the server per image; it does not depend on other load on the machine."""


def streamed(server: Server, client: Client, files: list[bytes], seconds: float) -> Rate:
    """Streams images for the given time."""
    end = float("inf")

    def images() -> Iterator[bytes]:
        i = 0
        while time.perf_counter() < end:
            yield files[i % len(files)]
            i += 1

    count, start, stop, cpu = 0, 0.0, 0.0, 0.0
    for i, _ in enumerate(client.stream(images())):
        now = time.perf_counter()
        if i == WARM_UP:
            start, end, cpu = now, now + seconds, server.cpu_seconds()
        elif i > WARM_UP and now <= end:
            count, stop = count + 1, now
    # Work in flight at the end costs time as well, and so did that at the start.
    cpu = server.cpu_seconds() - cpu
    return Rate(count / (stop - start), cpu / (i - WARM_UP) * 1e3)


def requested(server: Server, files: list[bytes], seconds: float) -> Rate:
    """Sends one request per image."""
    requests = [Embeddings(BULK).image(file) for file in files]
    run = load.run(server.address, [load.Stream(requests, WINDOW)], seconds, probe=server.cpu_seconds)
    (_, _, before), (_, answered, after) = run.probes
    return Rate(answered / seconds, (after - before) / answered * 1e3)


def main() -> int:
    """Returns 0 if all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each half of a round")
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE)
    options = parser.parse_args()
    print(machine.describe(), flush=True)
    files = jpegs(640, 480)
    print(f"{options.bundle.name}; {describe(files)} of 640x480", flush=True)
    proto = generated()
    met = True

    def verdict(holds: bool, text: str) -> None:
        nonlocal met
        met &= holds
        print(f"{'met' if holds else 'MISSED'}: {text}", flush=True)

    with ClipIn(options.bundle.resolve()).start() as server:
        client = Client(server, proto)
        count = options.images
        settled, at_end, rate = long_stream(server, client, files, count)
        print(f"met: {count} images in order, the broken one at its index; {rate:.1f} images/s", flush=True)
        grown = at_end / settled - 1
        verdict(
            grown < MOST_GROWTH,
            f"memory {settled:.1f} MiB after {min(SETTLED, count // 5)} images, {at_end:.1f} MiB at the end: "
            f"{grown:+.2%}, less than {MOST_GROWTH:+.0%} wanted",
        )
        ratios = []
        for i in range(options.rounds):
            # The order alternates, so that a machine that slows down favours neither.
            halves = {}
            for half in ("stream", "requests") if i % 2 == 0 else ("requests", "stream"):
                if half == "stream":
                    halves[half] = streamed(server, client, files, options.seconds)
                else:
                    halves[half] = requested(server, files, options.seconds)
            stream, requests = halves["stream"], halves["requests"]
            ratios.append(stream.per_second / requests.per_second)
            print(
                f"round {i + 1}: {ratios[-1]:.3f}; stream {stream.per_second:.1f} images/s, "
                f"{stream.cpu_ms:.2f} ms of CPU each; "
                f"requests {requests.per_second:.1f}, {requests.cpu_ms:.2f}",
                flush=True,
            )
        verdict(
            median(ratios) >= LEAST_RATIO,
            f"the stream gets {median(ratios):.3f} of what requests get (median of {len(ratios)} rounds), "
            f"at least {LEAST_RATIO} wanted",
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
