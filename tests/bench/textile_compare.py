"""`make textile-compare`: does the score of `/v1/compare` find defects of a woven textile, by a few good pictures?

The references are draws of nominal pictures with numbers up to 250, the numbers that settings were chosen with. The
pictures that are compared have numbers from 251 on; nothing was chosen with them. A comparison is one request with
a raw image, as an inspection line sends it. Nothing is trained.
"""

import argparse
import base64
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np

from tests.bench.auroc import auroc
from tests.bench.contenders import ClipIn
from tests.bench.paths import DEMO_BUNDLE
from tests.bench.report import table
from tests.bench.servers import Server
from tests.bench.textile import CLIENTS, LAST, Pictures, ask, pictures

REFERENCES = (5, 10, 20, 50)
AT_A_TIME = 25
"""Images in one request that makes or extends a reference."""
DEFECTS = ("local", "global")


def learn(server: Server, name: str, images: Sequence[bytes]) -> None:
    """Makes a reference of the images."""
    for start in range(0, len(images), AT_A_TIME):
        some = [base64.b64encode(image).decode() for image in images[start : start + AT_A_TIME]]
        method, path = ("PUT", name) if start == 0 else ("POST", f"{name}/images")
        body = json.dumps({"images": some}).encode()
        ask(server, method, f"/v1/references/{path}", "application/json", body)


def compared(server: Server, name: str, image: bytes) -> tuple[float, bool]:
    """The score of a picture, and whether it is said to lie in another pose."""
    answer = ask(server, "POST", f"/v1/compare?reference={name}", "image/jpeg", image)["results"][0]
    return answer["changed"]["score"], answer["registration"]["status"] == "pose"


def found_above(good: Sequence[float], bad: Sequence[float]) -> float:
    """The share of the bad ones above the 98 % quantile of the good ones (PB2)."""
    return float(np.mean(np.asarray(bad) > np.quantile(good, 0.98)))


def one_draw(server: Server, references: Sequence[bytes], asked: Pictures) -> list[float]:
    """AUROC and PB2 of each kind of defect, and the share of good pictures with `pose`."""
    learn(server, "textile", references)
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = {
            name: list(clients.map(partial(compared, server, "textile"), images))
            for name, images in asked.items()
        }
    scores = {name: [score for score, _ in those] for name, those in answers.items()}
    areas = [auroc(scores["nominal"], scores[name]) for name in DEFECTS]
    shares = [found_above(scores["nominal"], scores[name]) for name in DEFECTS]
    return [*areas, *shares, mean(pose for _, pose in answers["nominal"])]


def spread(values: Sequence[float]) -> str:
    """Mean, least and most."""
    return f"{mean(values):.3f} ({min(values):.3f}…{max(values):.3f})"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE, help="model (default: models/demo)")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--asked", type=int, default=250, help="pictures of each class that are compared")
    options = parser.parse_args()
    known = pictures()["nominal"]
    asked = pictures(LAST + 1, LAST + options.asked)
    rows = []
    state = tempfile.TemporaryDirectory()
    contender = ClipIn(options.bundle.resolve(), "--state", state.name, "--request-seconds", "300")
    with state, contender.start() as server:
        for count in REFERENCES:
            draws = [
                one_draw(server, random.Random(seed).sample(known, count), asked)
                for seed in range(options.draws)
            ]
            rows.append([str(count), *map(spread, zip(*draws, strict=True))])
            print(*rows[-1], file=sys.stderr, flush=True)
    print(f"\n{options.bundle.name}, {options.asked} pictures of each class, {options.draws} draws\n")
    columns = [f"{what}: {name}" for what in ("AUROC", "PB2") for name in DEFECTS]
    print(table(["references", *columns, "OK with `pose`"], rows))


if __name__ == "__main__":
    main()
