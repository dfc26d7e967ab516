"""An inspection line: its cost beyond `/v1/compare`, parts a second, and how fast its queue is.

`/v1/compare` and an inspection get the same pictures and the same reference, one after the other, on one process; the
difference of their CPU time is what judging and storing cost. Then clients send parts as fast as they are
answered, to the line and to others that compare with fewer pixels.
Last, the store gets a million inspections (`line_rows.py`), and pages of the queue and verdicts are timed. The store
is SQLite. The model is the demo model: the reference models have no features to inspect with.
"""

import base64
import http.client
import io
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from tests.bench import images, line_rows, load
from tests.bench.compare import Settings
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn, post
from tests.bench.measurement import percentile
from tests.bench.paths import DEMO_BUNDLE
from tests.bench.report import Report
from tests.bench.servers import Server

SCENARIO, LINE = "line", "bench"
INSPECTIONS, COMPARE = f"/v1/lines/{LINE}/inspections", f"/v1/compare?reference=line.{LINE}"
MOST_CPU_MS, MOST_P99, LEAST_PER_SECOND = 3.0, 3.0, 50.0
ROWS, PAGE_MS, VERDICT_MS = 1_000_000, 100.0, 20.0
TIMES, PARTS, DIFFERENT = 20, 12, 500
RESOLUTIONS = (None, 320, 224, 192)
"""Of the lines whose speed is measured; `None` is the model's own."""
LONG, LONG_SECONDS = 192, 600.0
"""The line that is measured for so long."""
PAGES = {
    "all": "",
    "what waits for a person": "decision=review&verdict=none",
    "a page of 200": "decision=review&limit=200",
    "the last page": "decision=ok&after={last}",
    "audits without a verdict": "audit=true&verdict=none",
    "audited and decided ng": "audit=true&decision=ng",
    "not audited, with a verdict": "audit=false&verdict=ng",
}


def run(settings: Settings, report: Report) -> None:
    """Cost, speed, queue."""
    files = list(parts())
    with tempfile.TemporaryDirectory() as folder:
        ours = ClipIn(DEMO_BUNDLE, "--state", folder, precision="int8")
        with ours.start() as server:
            _create(server, files)
            _cost(server, files, settings, report)
            for resolution in RESOLUTIONS:
                _speed(server, files, resolution, settings, report)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        ours = ClipIn(DEMO_BUNDLE, "--state", folder, precision="int8")
        with ours.start() as server:
            _create(server, files)
            Client(server).ask("POST", INSPECTIONS, files[0], "image/jpeg")
        line_rows.fill(state, ROWS)
        since = time.perf_counter()
        with ours.start() as server:
            megabytes = (state / line_rows.FILE).stat().st_size / 1e6
            started = time.perf_counter() - since
            report.note(SCENARIO, f"{ROWS:,} inspections, {megabytes:.0f} MB; ready after {started:.1f} s")
            _queue(server, report)


def parts() -> Iterator[bytes]:
    """JPEGs of one part, 640x480: each a few pixels beside the other, with its own noise."""
    picture = images.photograph(672, 512, seed=20)
    rng = np.random.default_rng(20)
    for _ in range(PARTS):
        left, top = rng.integers(12, 20, 2)
        pixels = np.asarray(picture.crop((left, top, left + 640, top + 480)), np.float32)
        noisy = np.clip(pixels + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=90, subsampling="4:2:0")
        yield file.getvalue()


def _create(server: Server, files: list[bytes], line: str = LINE, resolution: int | None = None) -> None:
    encoded = [base64.b64encode(file).decode() for file in files]
    body = json.dumps({"references": encoded, "resolution": resolution}).encode()
    Client(server).ask("PUT", f"/v1/lines/{line}", body)


@dataclass
class Pictures(Sequence[Request]):
    """Inspections of these files. A camera never sends the same file twice: each request has a picture of its own."""

    path: str
    files: list[bytes]
    sent: int = 0

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> Request:
        self.sent += 1
        # Bytes after the end of a JPEG make it a new one.
        return Request(post(self.path, "image/jpeg", self.files[place] + str(self.sent).encode()))


def _cost(server: Server, files: list[bytes], settings: Settings, report: Report) -> None:
    pairs = _pairs(server, files, 200, settings)
    beyond = [inspection - comparison for comparison, inspection in pairs]
    report.note(
        SCENARIO,
        f"CPU of /v1/compare {median(pair[0] for pair in pairs):.1f} ms, of an inspection "
        f"{median(pair[1] for pair in pairs):.1f} ms; beyond, in {len(pairs)} pairs: "
        f"{', '.join(f'{each:.2f}' for each in beyond)} ms (a small difference of large numbers: no target)",
    )
    # A picture of another shape than the reference is decoded and not compared: /v1/compare refuses it, and the line
    # judges and stores it.
    pairs = _pairs(server, [_of_other_shape(file) for file in files], 400, settings)
    beyond = [inspection - comparison for comparison, inspection in pairs]
    report.note(
        SCENARIO,
        f"pictures that are not compared: CPU of /v1/compare {median(pair[0] for pair in pairs):.2f} ms, of an "
        f"inspection {median(pair[1] for pair in pairs):.2f} ms; beyond: "
        f"{', '.join(f'{each:.2f}' for each in beyond)} ms",
    )
    report.at_most(
        SCENARIO, "ms CPU of an inspection beyond /v1/compare, median", median(beyond), MOST_CPU_MS
    )


def _pairs(
    server: Server, files: list[bytes], compared: int, settings: Settings
) -> list[tuple[float, float]]:
    """CPU milliseconds of `/v1/compare`, which answers with the status `compared`, and of an inspection."""
    found = []
    for number in range(2 * settings.rounds):
        # A camera never sends the same file twice: bytes after the end of a JPEG make each picture a new one.
        different = [f"{number} {i}".encode() for i in range(DIFFERENT)]
        pictures = [files[i % len(files)] + mark for i, mark in enumerate(different)]
        compare = [Request(post(COMPARE, "image/jpeg", file), frozenset({compared})) for file in pictures]
        inspect = [Request(post(INSPECTIONS, "image/jpeg", file)) for file in pictures]
        took = {}
        for name in ("compare", "inspect") if number % 2 == 0 else ("inspect", "compare"):
            took[name] = _cpu_ms(server, compare if name == "compare" else inspect, settings.seconds)
        found.append((took["compare"], took["inspect"]))
    return found


def _of_other_shape(file: bytes) -> bytes:
    with Image.open(io.BytesIO(file)) as image:
        cut = io.BytesIO()
        image.crop((0, 0, 480, 480)).save(cut, "JPEG", quality=90, subsampling="4:2:0")
    return cut.getvalue()


def _cpu_ms(server: Server, requests: list[Request], seconds: float) -> float:
    """From idle to idle, so that no request is counted partly."""
    before = server.cpu_seconds()
    done = load.run(server.address, [load.Stream(requests, 1)], seconds, warm_up=0)
    return (server.cpu_seconds() - before) / max(1, done.outcomes[0].answered()) * 1e3


def _speed(
    server: Server, files: list[bytes], resolution: int | None, settings: Settings, report: Report
) -> None:
    line = LINE if resolution is None else f"{LINE}-{resolution}"
    if resolution is not None:
        _create(server, files, line, resolution)
    path = f"/v1/lines/{line}/inspections"
    requests = Pictures(path, files)
    seconds = LONG_SECONDS if resolution == LONG else settings.seconds * settings.rounds
    used = server.cpu_seconds()
    done = load.run(server.address, [load.Stream(requests, settings.clients)], seconds, warm_up=0)
    used = server.cpu_seconds() - used
    latencies = done.outcomes[0].latencies.get(200, [])
    p50, p99 = (percentile(latencies, share) * 1e3 for share in (0.5, 0.99))
    a_second = len(latencies) / seconds
    report.note(
        SCENARIO,
        f"resolution {resolution or 'of the model'}, {settings.clients} clients, {seconds:.0f} s: "
        f"{a_second:.1f} inspections/s, CPU {used / len(latencies) * 1e3:.1f} ms each, "
        f"p50 {p50:.1f}, p99 {p99:.1f} ms; the load generator took {done.client_cpu_share:.0%} of a core",
    )
    of = "" if resolution is None else f" at a resolution of {resolution}"
    report.at_least(SCENARIO, f"inspections/s{of}", a_second, LEAST_PER_SECOND)
    report.at_most(SCENARIO, f"p99 against p50 of inspections{of}", p99 / p50, MOST_P99)


def _queue(server: Server, report: Report) -> None:
    client = Client(server)
    # Only the last thousandth of the review is not answered.
    waiting = client.ask("GET", f"{INSPECTIONS}?verdict=none&decision=review&limit=200")["data"]
    last = waiting[-1]["id"]
    slowest = 0.0
    for name, query in PAGES.items():
        took = []
        for _ in range(TIMES):
            page, milliseconds = client.timed("GET", f"{INSPECTIONS}?{query.format(last=last)}")
            took.append(milliseconds)
        slowest = max(slowest, median(took))
        report.note(
            SCENARIO,
            f"{name}: {len(page['data'])} rows, median {median(took):.1f} ms, longest {max(took):.1f} ms",
        )
    report.at_most(SCENARIO, f"ms of the slowest page of {ROWS:,} inspections, median", slowest, PAGE_MS)
    _, shown = client.timed("GET", f"/v1/lines/{LINE}")
    report.note(SCENARIO, f"GET /v1/lines/{LINE}: {shown:.1f} ms")
    took = []
    for inspection in waiting[:TIMES]:
        body = json.dumps({"verdict": "ng", "kind": "scratch"}).encode()
        took.append(client.timed("POST", f"/v1/inspections/{inspection['id']}/verdict", body)[1])
    report.note(SCENARIO, f"{len(took)} verdicts: median {median(took):.1f} ms, longest {max(took):.1f} ms")
    report.at_most(SCENARIO, f"ms of a verdict among {ROWS:,} inspections, median", median(took), VERDICT_MS)


@dataclass
class Client:
    """One connection that waits for each answer."""

    server: Server
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(*self.server.address, timeout=120)

    def ask(self, method: str, path: str, body: bytes = b"", content_type: str = "application/json") -> dict:
        """The answer. Raises LoadError if it is not a good one."""
        self.connection.request(method, path, body or None, {"content-type": content_type})
        answer = self.connection.getresponse()
        read = answer.read()
        if answer.status >= 300:
            raise load.LoadError(f"{method} {path}: {answer.status} {read[:300].decode(errors='replace')}")
        return json.loads(read)

    def timed(self, method: str, path: str, body: bytes = b"") -> tuple[dict, float]:
        """The answer, and milliseconds."""
        since = time.perf_counter()
        answer = self.ask(method, path, body)
        return answer, (time.perf_counter() - since) * 1e3
