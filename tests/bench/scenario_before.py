"""An earlier build of this server beside the present one, with the demo model.

Its encoders take so little time that the cost of the server itself shows. CLIP_IN_BEFORE names the earlier build's
`clip-in`.
"""

import os
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.bench import images
from tests.bench.compare import Settings, compare, say
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn
from tests.bench.measurement import Measurement, ratio
from tests.bench.paths import DEMO_BUNDLE
from tests.bench.report import Report
from tests.bench.texts import captions

VARIABLE = "CLIP_IN_BEFORE"
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


def _compare(
    scenario: str, requests_of: Callable[[ClipIn], list[Request]], settings: Settings, report: Report
) -> None:
    earlier = os.environ.get(VARIABLE)
    if not earlier:
        say(f"  skipped: {VARIABLE} names no earlier build")
        return
    ours = ClipIn(DEMO_BUNDLE, "--text-cache-mib", "0")
    before = ClipIn(DEMO_BUNDLE, "--text-cache-mib", "0", binary=Path(earlier), name="before")
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
