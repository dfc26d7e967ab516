"""Compares servers: one after another, in rounds of alternating order, always with new processes."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import agreement
from tests.bench.connection import Request
from tests.bench.contenders import fastapi_ways
from tests.bench.measurement import Measurement, measure
from tests.bench.paths import BENCH_PYTHON, HERE

LIMIT_SECONDS = 8


@dataclass(frozen=True)
class Settings:
    """The options of the command line."""

    bundle: Path
    rounds: int
    seconds: float
    clients: int
    servers: frozenset[str]


class Limit:
    """The machine's limit (limit.py), measured in each round like a server."""

    name = "limit"

    def __init__(self, bundle: Path, precision: str, images: Sequence[bytes]):
        self.bundle, self.precision, self.images = bundle, precision, images

    def measure(self) -> Measurement:
        """The limit of images per second."""
        found = self.run()
        say(
            f"  limit: {found['per_second']:.1f}/s = cores / (encoder {found['encode_ms']:.1f} ms at batch "
            f"{found['batch']} + decode {found['decode_ms']:.2f} ms, {found['decoder']})"
        )
        return Measurement(found["per_second"], cpu_ms=found["encode_ms"] + found["decode_ms"])

    def run(self, *options: str) -> dict:
        """Runs limit.py."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, f"{i}.jpg") for i in range(len(self.images))]
            for file, image in zip(files, self.images, strict=True):
                file.write_bytes(image)
            command = [BENCH_PYTHON, HERE / "limit.py", *options]
            command += [self.bundle, self.precision, str(LIMIT_SECONDS)]
            done = subprocess.run([*command, *files], check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)


class LimitAlone(Limit):
    """The least time of one image after another: the best decoder, and one session on all cores."""

    def measure(self) -> Measurement:
        """The limit of one client."""
        found = self.run("--alone")
        milliseconds = found["encode_ms"] + found["decode_ms"]
        say(
            f"  limit: {milliseconds:.1f} ms = encoder {found['encode_ms']:.1f} ms + decode "
            f"{found['decode_ms']:.2f} ms, {found['decoder']}"
        )
        return Measurement(1e3 / milliseconds, p50_ms=milliseconds)


def say(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)


def compare(
    contenders: Sequence,
    requests_of: Callable[[object], list[Request]],
    settings: Settings,
    asked: int = agreement.ASKED,
) -> dict[str, list[Measurement]]:
    """Measurements by name, one per round. The embeddings of all contenders must agree with the first one's.

    Each server computes `asked` embeddings before it is measured.
    """
    found: dict[str, list[Measurement]] = {contender.name: [] for contender in contenders}
    reference = None
    for number in range(settings.rounds):
        say(f" round {number + 1} of {settings.rounds}")
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            if isinstance(contender, Limit):
                found[contender.name].append(contender.measure())
                continue
            requests = requests_of(contender)
            with contender.start() as server:
                vectors = agreement.vectors(server, requests, asked)
                if reference is None:
                    reference = vectors
                elif contender.same_vectors:
                    agreement.check(contender.name, vectors, reference)
                else:
                    agreement.check_own(contender.name, vectors)
                measured = measure(server, requests, settings.clients, settings.seconds)
            found[contender.name].append(measured)
            say(
                f"  {contender.name}: {measured.per_second:.1f}/s, p50 {measured.p50_ms:.1f} ms, "
                f"p99 {measured.p99_ms:.1f} ms, {measured.cpu_ms:.3f} ms CPU a request; "
                f"the load generator takes {measured.client_share:.0%} of a core"
            )
    return found


def fastest_fastapi(requests_of: Callable[[object], list[Request]], settings: Settings):
    """The fastest configuration of the FastAPI baseline, found with a short test of each."""
    speeds = []
    for way in fastapi_ways(settings.bundle):
        with way.start() as server:
            tried = measure(server, requests_of(way), settings.clients, max(2.0, settings.seconds / 2))
        say(f"  tried {way.name} (processes x threads of a session): {tried.per_second:.1f}/s")
        speeds.append((tried.per_second, way))
    return max(speeds, key=lambda pair: pair[0])[1]
