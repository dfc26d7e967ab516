"""Texts of 4 to 12 words. The baseline pads each to the model's full context, as CLIP code commonly does."""

from collections.abc import Callable

from tests.bench import agreement
from tests.bench.compare import Settings, compare, fastest_fastapi, say
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn
from tests.bench.measurement import ratio
from tests.bench.report import Report
from tests.bench.texts import captions

OVER_PADDING, CACHED_OVER_PADDING = 4.0, 20.0
DIFFERENT = 1024
LABELS = 32
"""The typical labels of an inspection line."""


def one(settings: Settings, report: Report) -> None:
    """One text per request, nothing cached."""
    _uncached("texts-1", 1, settings, report)


def sixteen(settings: Settings, report: Report) -> None:
    """16 texts per request, nothing cached."""
    _uncached("texts-16", 16, settings, report)


def cached(settings: Settings, report: Report) -> None:
    """One text per request out of a few labels, with the server's cache at its default."""

    def requests_of(contender) -> list[Request]:
        return [contender.embeddings.texts([label]) for label in captions(LABELS)]

    # All labels are requested before the clock starts, so the cache is full, as in normal operation.
    ours = ClipIn(settings.bundle)
    _against_fastapi("texts-cached", ours, requests_of, CACHED_OVER_PADDING, settings, report, LABELS)


def _uncached(scenario: str, texts: int, settings: Settings, report: Report) -> None:
    def requests_of(contender) -> list[Request]:
        all_texts = captions(DIFFERENT)
        groups = [all_texts[i : i + texts] for i in range(0, len(all_texts), texts)]
        return [contender.embeddings.texts(group) for group in groups]

    ours = ClipIn(settings.bundle, "--text-cache-mib", "0")
    _against_fastapi(scenario, ours, requests_of, OVER_PADDING, settings, report)


def _against_fastapi(
    scenario: str,
    ours: ClipIn,
    requests_of: Callable[[object], list[Request]],
    target: float,
    settings: Settings,
    report: Report,
    asked: int = agreement.ASKED,
) -> None:
    if "fastapi" not in settings.servers:
        say("  skipped: it is measured against FastAPI")
        return
    fastapi = fastest_fastapi(requests_of, settings)
    found = compare([ours, fastapi], requests_of, settings, asked)
    report.add(scenario, found)
    report.at_least(scenario, f"times {fastapi.name}", ratio(found[ours.name], found[fastapi.name]), target)
