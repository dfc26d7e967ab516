"""An earlier build of this server beside the present one, with the demo model.

Its encoders take so little time that the cost of the server itself shows. CLIP_IN_BEFORE names the earlier build's
`clip-in`, and CLIP_IN_BEFORE_MODEL its model, if that is another one.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench import images, scenario_compare
from tests.bench.compare import Settings, compare, say
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn
from tests.bench.exposition import Counters
from tests.bench.measurement import Measurement, percentile, ratio
from tests.bench.paths import DEMO_BUNDLE
from tests.bench.report import Report
from tests.bench.servers import Server
from tests.bench.texts import captions

VARIABLE, MODEL_VARIABLE = "CLIP_IN_BEFORE", "CLIP_IN_BEFORE_MODEL"
OF_BEFORE, COST_OF_BEFORE = 0.97, 1.03
DIFFERENT = 1024


def image(settings: Settings, report: Report) -> None:
    """One image of 640x480 per request."""
    files = images.jpegs(640, 480)
    _compare(
        "before-image", lambda server: [server.embeddings.image(file) for file in files], settings, report
    )


def text(settings: Settings, report: Report) -> None:
    """One text per request, nothing cached."""
    texts = captions(DIFFERENT)
    _compare(
        "before-text", lambda server: [server.embeddings.texts([text]) for text in texts], settings, report
    )


def texts(settings: Settings, report: Report) -> None:
    """64 texts per request: a large answer."""
    texts = captions(DIFFERENT)
    groups = [texts[i : i + 64] for i in range(0, len(texts), 64)]
    _compare(
        "before-texts", lambda server: [server.embeddings.texts(group) for group in groups], settings, report
    )


def comparison(settings: Settings, report: Report) -> None:
    """One camera that compares each picture with a reference: latency, CPU and steps."""
    scenario = "before-compare"
    earlier = _earlier()
    if earlier is None:
        return
    files = list(scenario_compare.parts())
    path = f"/v1/compare?reference={scenario_compare.REFERENCE}"
    model = Path(os.environ.get(MODEL_VARIABLE, DEMO_BUNDLE))
    found: dict[str, list[dict[str, float]]] = {"clip-in": [], "before": []}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        ours = ClipIn(DEMO_BUNDLE, "--state", folder)
        before = ClipIn(model, "--state", other, binary=earlier, name="before")
        with ours.start() as server, before.start() as server_before:
            servers = {ours.name: server, before.name: server_before}
            for asked in servers.values():
                scenario_compare.put_reference(asked, files)
            for number in range(settings.rounds):
                say(f" round {number + 1} of {settings.rounds}")
                order = list(servers) if number % 2 == 0 else list(servers)[::-1]
                for name in order:
                    figures = _steps(servers[name], path, files, number, settings.seconds)
                    found[name].append(figures)
    pairs = list(zip(found["clip-in"], found["before"], strict=True))
    for figure in pairs[0][0]:
        now, then = (median(pair[i][figure] for pair in pairs) for i in range(2))
        again = median(pair[0][figure] / pair[1][figure] for pair in pairs)
        report.note(scenario, f"{figure}: {now:.1f} ms, {then:.1f} before, {again:.2f} times")
    again = median(pair[0]["CPU"] / pair[1]["CPU"] for pair in pairs)
    report.at_most(scenario, "CPU per comparison, times before", again, COST_OF_BEFORE)


def _steps(server: Server, path: str, files: list[bytes], number: int, seconds: float) -> dict[str, float]:
    """Milliseconds of a comparison: latency, CPU, and the steps within."""
    counters, used = Counters.of(server), server.cpu_seconds()
    latencies = scenario_compare.alone(server, path, files, number, seconds)
    cpu, spent = server.cpu_seconds() - used, Counters.of(server) - counters
    figures = {
        "p50": percentile(latencies, 0.5) * 1e3,
        "CPU": cpu / len(latencies) * 1e3,
        "features": spent.mean("clip_in_features_seconds") * 1e3,
    }
    for step in ("align", "compare"):
        figures[step] = spent.mean("clip_in_compare_seconds", f'{{step="{step}"}}') * 1e3
    return figures


def _earlier() -> Path | None:
    earlier = os.environ.get(VARIABLE)
    if not earlier:
        say(f"  skipped: {VARIABLE} names no earlier build")
    return Path(earlier) if earlier else None


def _compare(
    scenario: str, requests_of: Callable[[ClipIn], list[Request]], settings: Settings, report: Report
) -> None:
    earlier = _earlier()
    if earlier is None:
        return
    ours = ClipIn(DEMO_BUNDLE, "--text-cache-mib", "0")
    before = ClipIn(DEMO_BUNDLE, "--text-cache-mib", "0", binary=earlier, name="before")
    found = compare([ours, before], requests_of, settings)
    report.add(scenario, found)
    now, then = found[ours.name], found[before.name]
    report.at_least(scenario, "requests/s, times before", ratio(now, then), OF_BEFORE)
    report.at_most(scenario, "CPU per request, times before", _paired(now, then, "cpu_ms"), COST_OF_BEFORE)
    report.at_most(scenario, "peak memory, times before", _paired(now, then, "peak_mib"), COST_OF_BEFORE)


def _paired(now: list[Measurement], then: list[Measurement], what: str) -> float:
    """The median over rounds of a ratio within each round."""
    pairs = zip(now, then, strict=True)
    return median(getattr(a, what) / getattr(b, what) for a, b in pairs)
