"""`make textile`: does the model detect defects of a woven textile, described by texts and by example images?

The pictures are the simulated textiles of the package conformal-clip-data (MIT): nominal weave, local defects,
global defects. Only numbers 1 to 250 of each class are used; the others are reserved for acceptance tests and are
not opened here. Each draw takes 50 pictures per class as the examples of a label set, and classifies the other 200
of each class over HTTP: by texts alone, by examples alone, and by both.
"""

import argparse
import base64
import json
import random
import subprocess
import tempfile
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from tests.bench.contenders import ClipIn
from tests.bench.environments import ensure
from tests.bench.paths import DEMO_BUNDLE, TEXTILE_PYTHON
from tests.bench.report import table
from tests.bench.servers import Server

LAST = 250
"""Number of the last picture of each class that settings may be chosen with."""
EXAMPLES = 50
CLIENTS = 8

TEXTS = {
    "nominal": ["a woven textile with a regular weave", "a clean textile without defects"],
    "local": ["a woven textile with a local defect", "a textile with a small damaged spot"],
    "global": ["a woven textile whose whole weave is irregular", "a textile with a defect all over it"],
}
TEMPLATES = ["{}", "a photo of {}", "a close-up of {}"]

Pictures = dict[str, list[bytes]]
"""Pictures by class, as on disk."""


def pictures(first: int = 1, last: int = LAST) -> Pictures:
    """Those of each class with these numbers; by default the first 250."""
    ensure(TEXTILE_PYTHON)
    code = "import conformal_clip_data as data; print(data.textile_simulated_root())"
    root = subprocess.run([TEXTILE_PYTHON, "-c", code], check=True, capture_output=True, text=True)
    folder = Path(root.stdout.strip())
    files = {name: [folder / name / f"textile_{i:04}.jpg" for i in range(first, last + 1)] for name in TEXTS}
    return {name: [file.read_bytes() for file in those] for name, those in files.items()}


def ask(server: Server, method: str, path: str, content_type: str, body: bytes) -> dict:
    """One request."""
    request = urllib.request.Request(server.url + path, body, {"content-type": content_type}, method=method)
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


def put(server: Server, labelset: str, definition: dict) -> None:
    """Describes the labels."""
    ask(server, "PUT", f"/v1/labelsets/{labelset}", "application/json", json.dumps(definition).encode())


def call(server: Server, labelset: str, image: bytes) -> str:
    """The label of a picture: the request of an inspection line."""
    found = ask(server, "POST", f"/v1/classify?labelset={labelset}", "image/jpeg", image)
    return found["results"][0]["labels"][0]["label"]


def accuracy(server: Server, labelset: str, held_out: Pictures) -> list[float]:
    """Share of each class with the correct label."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        called = {
            name: clients.map(partial(call, server, labelset), images) for name, images in held_out.items()
        }
        return [mean(label == name for label in labels) for name, labels in called.items()]


def one_draw(server: Server, all_pictures: Pictures, seed: int) -> dict[str, list[float]]:
    """Accuracies by class and on average, for each kind of label description."""
    rng = random.Random(seed)
    examples, held_out = {}, {}
    for name, images in all_pictures.items():
        order = rng.sample(images, len(images))
        examples[name] = [base64.b64encode(image).decode() for image in order[:EXAMPLES]]
        held_out[name] = order[EXAMPLES:]
    labels = {
        "texts": [{"label": name, "texts": texts} for name, texts in TEXTS.items()],
        "examples": [{"label": name, "images": images} for name, images in examples.items()],
        "both": [{"label": n, "texts": TEXTS[n], "images": images} for n, images in examples.items()],
    }
    found = {}
    for way, described in labels.items():
        templates = {} if way == "examples" else {"templates": TEMPLATES}
        put(server, way, {"labels": described, **templates})
        shares = accuracy(server, way, held_out)
        found[way] = [*shares, mean(shares)]
    return found


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation in percent."""
    return f"{100 * mean(values):.1f} ± {100 * stdev(values):.1f}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    if options.draws < 2:
        parser.error("the standard deviation needs at least two draws")
    all_pictures = pictures()
    state = tempfile.TemporaryDirectory()
    with state, ClipIn(options.bundle.resolve(), "--state", state.name).start() as server:
        draws = [one_draw(server, all_pictures, seed) for seed in range(options.draws)]
    rows = [
        [way, *(spread([draw[way][column] for draw in draws]) for column in range(len(TEXTS) + 1))]
        for way in draws[0]
    ]
    held_out = LAST - EXAMPLES
    print(f"\n{options.bundle.name}, fp32: % right of {held_out} a class, {options.draws} draws, mean ± sd\n")
    print(table(["labels by", *TEXTS, "all"], rows))


if __name__ == "__main__":
    main()
