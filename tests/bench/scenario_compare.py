"""One camera that compares each picture with a reference of ten: what its steps take.

Beside `/v1/compare`, alone and with statements and a map: one plain embedding of the same pictures by the same
server, a comparison by a server whose sessions have one thread each, and PatchCore in Python on the same features
(patchcore.py), without HTTP. The model is the demo model: the reference models have no features.
"""

import base64
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from tests.bench import load
from tests.bench.compare import Settings, say
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn, post
from tests.bench.exposition import Counters
from tests.bench.measurement import percentile
from tests.bench.paths import BENCH_PYTHON, DEMO_BUNDLE, HERE
from tests.bench.report import Report
from tests.bench.scenario_line import Client, parts
from tests.bench.servers import Server

SCENARIO, REFERENCE, IMAGES = "compare", "bench", 10
STATEMENTS = ["a scratch on the part", "a missing screw", "a stain on the part"]
FEATURES_MS, AFTER_MS = 40.0, 5.0
NARROW, OF_NARROW = "a comparison, --wide-threads 1", 0.85
STEPS = ("align", "compare", "statements", "map")


def run(settings: Settings, report: Report) -> None:
    """p50 of each kind of request, and the steps within."""
    files = list(parts())
    comparing = f"/v1/compare?reference={REFERENCE}"
    with_all = (
        comparing + "&map=true" + "".join(f"&statement={text.replace(' ', '+')}" for text in STATEMENTS)
    )
    kinds = {
        "an embedding": "/v1/embeddings",
        "a comparison": comparing,
        "with statements and a map": with_all,
        NARROW: comparing,
    }
    took: dict[str, list[float]] = {name: [] for name in kinds}
    steps: dict[str, list[float]] = {name: [] for name in ("features", *STEPS)}
    cpu: list[float] = []
    baseline: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        usual = ClipIn(DEMO_BUNDLE, "--state", folder)
        narrow = ClipIn(DEMO_BUNDLE, "--state", other, "--wide-threads", "1", name="narrow")
        with usual.start() as server, narrow.start() as of_one_thread:
            put_reference(server, files)
            put_reference(of_one_thread, files)
            for number in range(settings.rounds):
                say(f" round {number + 1} of {settings.rounds}")
                order = list(kinds) if number % 2 == 0 else list(kinds)[::-1]
                for name in order:
                    asked = of_one_thread if name == NARROW else server
                    before, used = Counters.of(asked), asked.cpu_seconds()
                    latencies = alone(asked, kinds[name], files, number, settings.seconds)
                    took[name].append(percentile(latencies, 0.5) * 1e3)
                    if name == NARROW:
                        continue
                    spent = Counters.of(server) - before
                    if name == "a comparison":
                        cpu.append((server.cpu_seconds() - used) / len(latencies) * 1e3)
                        steps["features"].append(spent.mean("clip_in_features_seconds") * 1e3)
                    for step in STEPS:
                        labels = f'{{step="{step}"}}'
                        if spent.count("clip_in_compare_seconds", labels) and name != "an embedding":
                            steps[step].append(spent.mean("clip_in_compare_seconds", labels) * 1e3)
                for name, value in _patchcore(files, settings.seconds).items():
                    baseline.setdefault(name, []).append(value)
    _report(report, {name: median(values) for name, values in took.items()}, steps, cpu, baseline)


def _report(report: Report, p50: dict[str, float], steps: dict, cpu: list[float], baseline: dict) -> None:
    theirs = {name: median(values) for name, values in baseline.items()}
    named = ", ".join(f"{name} {value:.1f}" for name, value in p50.items())
    report.note(SCENARIO, f"one client, 640x480 JPEG, {IMAGES} pictures in the reference; p50 in ms: {named}")
    inner = ", ".join(f"{name} {median(values):.1f}" for name, values in steps.items() if values)
    report.note(SCENARIO, f"steps of one picture, ms: {inner}; CPU of a comparison {median(cpu):.1f} ms")
    told = ", ".join(f"{name} {value:.1f}" for name, value in theirs.items())
    report.note(SCENARIO, f"PatchCore in Python on the same features, without alignment and HTTP, ms: {told}")
    report.at_most(SCENARIO, "ms of the features of one picture", median(steps["features"]), FEATURES_MS)
    report.at_most(SCENARIO, "ms from features to score and places", median(steps["compare"]), AFTER_MS)
    ratio = p50["a comparison"] / p50[NARROW]
    report.at_most(SCENARIO, "p50 of a comparison against sessions of one thread", ratio, OF_NARROW)
    ratio = p50["a comparison"] / theirs["all"]
    report.at_most(SCENARIO, "p50 of a comparison against PatchCore in Python", ratio, 1.0)


def put_reference(server: Server, files: list[bytes]) -> None:
    """Stores the first pictures as the reference."""
    body = json.dumps({"images": [base64.b64encode(file).decode() for file in files[:IMAGES]]}).encode()
    Client(server).ask("PUT", f"/v1/references/{REFERENCE}", body)


def alone(server: Server, path: str, files: list[bytes], number: int, seconds: float) -> list[float]:
    """Latencies of one client. Bytes after the end of a JPEG make each picture a new one, as a camera's are."""
    pictures = [files[i % len(files)] + f"{number} {path} {i}".encode() for i in range(300)]
    requests = [Request(post(path, "image/jpeg", picture)) for picture in pictures]
    done = load.run(server.address, [load.Stream(requests, 1)], seconds)
    return done.outcomes[0].latencies[200]


def _patchcore(files: list[bytes], seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder, f"{i}.jpg") for i in range(len(files))]
        for name, file in zip(names, files, strict=True):
            name.write_bytes(file)
        command = [
            BENCH_PYTHON,
            HERE / "patchcore.py",
            DEMO_BUNDLE / "features.onnx",
            str(seconds),
            str(IMAGES),
        ]
        done = subprocess.run([*command, *names], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)
