"""One client that sends one image after another: an inspection camera. All cores should work for it."""

from dataclasses import replace

from tests.bench import images
from tests.bench.compare import LimitAlone, Settings, compare, fastest_fastapi
from tests.bench.contenders import ClipIn
from tests.bench.measurement import latency_ratio
from tests.bench.report import Report

OF_THE_LIMIT, OF_FASTAPI = 1.1, 0.8
NARROW = "clip-in, --wide-threads 1"


def hd(settings: Settings, report: Report) -> None:
    """1920x1080 at fp32."""
    _alone("images-hd-1", images.jpegs(1920, 1080), settings, report)


def vga(settings: Settings, report: Report) -> None:
    """640x480 at fp32."""
    _alone("images-vga-1", images.jpegs(640, 480), settings, report)


def _alone(scenario: str, files: list[bytes], settings: Settings, report: Report) -> None:
    def requests_of(contender):
        return [contender.embeddings.image(file) for file in files]

    settings = replace(settings, clients=1)
    report.note(scenario, f"one client; {images.describe(files)}")
    contenders = [ClipIn(settings.bundle), ClipIn(settings.bundle, "--wide-threads", "1", name=NARROW)]
    fastapi = None
    if "fastapi" in settings.servers:
        fastapi = fastest_fastapi(requests_of, settings)
        contenders.append(fastapi)
    if "limit" in settings.servers:
        contenders.append(LimitAlone(settings.bundle, "fp32", files))
    found = compare(contenders, requests_of, settings)
    report.add(scenario, found)
    ours = found["clip-in"]
    if "limit" in found:
        share = latency_ratio(ours, found["limit"])
        report.at_most(scenario, "p50 against decoder and encoder alone", share, OF_THE_LIMIT)
    if fastapi:
        share = latency_ratio(ours, found[fastapi.name])
        report.at_most(scenario, f"p50 against {fastapi.name}", share, OF_FASTAPI)
