"""One image per request, as the raw body: the most common request to a CLIP server."""

from tests.bench import images
from tests.bench.compare import Limit, Settings, compare, fastest_fastapi, say
from tests.bench.contenders import ClipIn, Infinity
from tests.bench.measurement import ratio
from tests.bench.report import Report
from tests.bench.servers import ServerError

OF_THE_LIMIT, OVER_FASTAPI, OVER_INFINITY = 0.95, 1.3, 1.5
PRECISION_OVER_FASTAPI = {"bf16": 2.3, "int8": 3.3}
"""Required ratio to FastAPI at fp32: the gain of a user who changes the server."""


def hd(settings: Settings, report: Report) -> None:
    """1920x1080 at fp32."""
    _fp32("images-hd", images.jpegs(1920, 1080), settings, report)


def vga(settings: Settings, report: Report) -> None:
    """640x480 at fp32."""
    _fp32("images-vga", images.jpegs(640, 480), settings, report)


def bf16(settings: Settings, report: Report) -> None:
    """1920x1080 at bf16."""
    _precision("bf16", settings, report)


def int8(settings: Settings, report: Report) -> None:
    """1920x1080 at int8."""
    _precision("int8", settings, report)


def _fp32(scenario: str, files: list[bytes], settings: Settings, report: Report) -> None:
    def requests_of(contender):
        return [contender.embeddings.image(file) for file in files]

    report.note(scenario, images.describe(files))
    contenders = [ClipIn(settings.bundle)]
    fastapi = None
    if "fastapi" in settings.servers:
        fastapi = fastest_fastapi(requests_of, settings)
        contenders.append(fastapi)
    if "infinity" in settings.servers:
        contenders.append(Infinity())
    if "limit" in settings.servers:
        contenders.append(Limit(settings.bundle, "fp32", files))
    found = compare(contenders, requests_of, settings)
    report.add(scenario, found)
    ours = found["clip-in"]
    if "limit" in found:
        report.at_least(scenario, "share of the machine's limit", ratio(ours, found["limit"]), OF_THE_LIMIT)
    if fastapi:
        report.at_least(scenario, f"times {fastapi.name}", ratio(ours, found[fastapi.name]), OVER_FASTAPI)
    if "infinity" in found:
        report.at_least(scenario, "times infinity", ratio(ours, found["infinity"]), OVER_INFINITY)


def _precision(precision: str, settings: Settings, report: Report) -> None:
    scenario = f"images-{precision}"
    if "fastapi" not in settings.servers:
        say("  skipped: it is measured against FastAPI")
        return
    ours = ClipIn(settings.bundle, precision=precision)
    try:
        ours.start().stop()
    except ServerError as error:
        if not error.refused:
            raise
        report.note(scenario, f"skipped: {str(error).splitlines()[-1]}")
        return
    files = images.jpegs(1920, 1080)

    def requests_of(contender):
        return [contender.embeddings.image(file) for file in files]

    fastapi = fastest_fastapi(requests_of, settings)
    # FastAPI goes first: its embeddings are those of fp32, which a lower precision need not match.
    found = compare([fastapi, ours], requests_of, settings)
    report.add(scenario, found, ours.name)
    report.at_least(
        scenario,
        f"times {fastapi.name} at fp32",
        ratio(found[ours.name], found[fastapi.name]),
        PRECISION_OVER_FASTAPI[precision],
    )
