"""Resizing a full HD picture to the input of a ViT, this server against Pillow: one thread, no decoding.

The server's value is the criterion benchmark of that name (`benches/steps.rs`). Pillow resizes the whole picture
and crops, as torchvision does. Both give the same bytes (`tests/it/preprocess_resize.rs`).
"""

import json
import subprocess
import time
from statistics import median

from PIL import Image

from tests.bench.compare import Settings
from tests.bench.images import photograph
from tests.bench.paths import ROOT
from tests.bench.report import Report

SCENARIO = "resize"
BENCHMARK = "resize and crop to 224x224"
SIDE = 224
LEAST = 3.0
REPEATS = 50


def run(settings: Settings, report: Report) -> None:
    """One ratio per round; the target applies to their median."""
    image = photograph(1920, 1080, 0)
    rounds = [(_ours(), _pillow(image)) for _ in range(settings.rounds)]
    report.note(
        SCENARIO,
        f"1920x1080 to {SIDE}x{SIDE}, bicubic: {median(ours for ours, _ in rounds):.2f} ms, "
        f"Pillow {median(pillow for _, pillow in rounds):.2f} ms",
    )
    ratio = median(pillow / ours for ours, pillow in rounds)
    report.at_least(SCENARIO, "times as fast as Pillow", ratio, LEAST)


def _ours() -> float:
    """Milliseconds."""
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "steps", "--", BENCHMARK]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    result = ROOT / "target" / "criterion" / "1920x1080" / BENCHMARK / "new" / "estimates.json"
    return json.loads(result.read_text())["median"]["point_estimate"] / 1e6


def _pillow(image: Image.Image) -> float:
    """Milliseconds."""
    width = SIDE * image.width // image.height
    left = round((width - SIDE) / 2)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        image.resize((width, SIDE), Image.Resampling.BICUBIC).crop((left, 0, left + SIDE, SIDE))
        times.append(time.perf_counter() - start)
    return median(times) * 1e3
