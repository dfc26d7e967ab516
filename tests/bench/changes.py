"""`make evaluate-changes`: which statement about a part beside its golden sample is true, is it changed, and where?

Drawn parts, five seeds. Each question is asked of parts that lie as the golden sample does, and of parts that are
laid down anew, with other light and noise. `clip-in eval changes` chooses among statements; the other two questions
are asked of `/v1/compare` with one reference image. The controls need no comparison: the cosine of picture and
statement, and one minus the cosine of both pictures' embeddings.
"""

import argparse
import base64
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import mean

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from tests.bench.auroc import auroc
from tests.bench.contenders import ClipIn
from tests.bench.paths import DEMO_BUNDLE, onnxruntime_library, server_binary
from tests.bench.report import table
from tests.bench.servers import Server
from tests.bench.textile import CLIENTS, ask

LAYOUTS = {"same layout": (), "laid down anew": ("--rejittered",)}
STATEMENTS = {"nine": "nine statements", "all": "all single changes"}
FORMULAS = (
    "top_1",
    "without_weights",
    "text_difference",
    "direction",
    "change_along",
    "not_of_reference",
    "without_reference",
)
ATTRIBUTE = "top_1/"
CAPTIONS = ("short", "long")


@dataclass
class Looked:
    """What comparisons of one seed found."""

    changed: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    near_changed: list[float] = field(default_factory=list)
    near_unchanged: list[float] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)
    pose: list[bool] = field(default_factory=list)


def draw(folder: Path, seed: int, statements: str, layout: str, options: argparse.Namespace) -> Path:
    """Parts of a seed, drawn once."""
    out = folder / f"{statements}-{layout.replace(' ', '-')}-{seed}"
    if out.is_dir():
        return out
    command = [sys.executable, "-m", "clip_in_training", "changes", "--out", out, "--seed", seed]
    command += ["--count", options.count, "--statements", statements, "--size", options.size]
    command += ["--language", options.language, *LAYOUTS[layout]]
    subprocess.run([str(part) for part in command], check=True)
    return out


def judged(data: Path, captions: str, options: argparse.Namespace) -> dict[str, tuple[float, int]]:
    """Each metric of `clip-in eval changes`, and its number of items."""
    out = data / f"{captions}.json"
    command = [server_binary(), "eval", "changes", "--model", options.bundle, "--data", data, "--json", out]
    command += ["--captions", captions, "--precision", options.precision, "--resamples", 1]
    run = subprocess.run(
        [str(part) for part in command],
        env={"ORT_DYLIB_PATH": onnxruntime_library()},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(run.stderr)
    metrics = json.loads(out.read_text(encoding="utf-8"))["metrics"]
    return {name: (metric["value"], metric["n"]) for name, metric in metrics.items()}


def compare(server: Server, reference: bytes, images: Sequence[bytes]) -> list[dict]:
    """The answer for each image, with its map."""
    body = {"references": [_base64(reference)], "images": list(map(_base64, images)), "map": "values"}
    return ask(server, "POST", "/v1/compare", "application/json", json.dumps(body).encode())["results"]


def embeddings(server: Server, images: Sequence[bytes]) -> np.ndarray:
    """Unit vectors of some images."""
    body = {"input": [{"image": _base64(image)} for image in images]}
    data = ask(server, "POST", "/v1/embeddings", "application/json", json.dumps(body).encode())["data"]
    return np.array([entry["embedding"] for entry in data])


def look(server: Server, data: Path) -> Looked:
    """Compares each changed and unchanged part with its golden sample."""
    looked = Looked()
    rows = [row for path in sorted(data.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    rows = [row for row in rows if row["category"] != "nothing"]

    def one(row: dict) -> tuple[list[dict], np.ndarray]:
        source, edited, unchanged = (
            row[name]["bytes"] for name in ("source_image", "edited_image", "unchanged_image")
        )
        return compare(server, source, [edited, unchanged]), embeddings(server, [source, edited, unchanged])

    with ThreadPoolExecutor(CLIENTS) as clients:
        for row, (answers, vectors) in zip(rows, clients.map(one, rows), strict=True):
            looked.changed.append(answers[0]["changed"]["score"])
            looked.unchanged.append(answers[1]["changed"]["score"])
            near = 1 - vectors[1:] @ vectors[0]
            looked.near_changed.append(near[0])
            looked.near_unchanged.append(near[1])
            looked.pose.append(answers[0]["registration"]["status"] == "pose")
            if row["boxes"]:
                looked.inside.append(_inside(answers[0]["map"], row["boxes"]))
    return looked


def _inside(encoded: str, boxes: Sequence[Sequence[float]]) -> bool:
    """The pointing game: whether the largest value of the map lies in a box."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        values = np.asarray(picture)
    y, x = np.unravel_index(values.argmax(), values.shape)
    at = (x + 0.5) / values.shape[1], (y + 0.5) / values.shape[0]
    return any(box[0] <= at[0] <= box[2] and box[1] <= at[1] <= box[3] for box in boxes)


def _base64(image: bytes) -> str:
    return base64.b64encode(image).decode()


def _cell(values: Sequence[float]) -> str:
    """The mean of the seeds, the least and the most."""
    return f"{mean(values):.1f} ({min(values):.1f}…{max(values):.1f})"


def statements_tables(folder: Path, options: argparse.Namespace) -> str:
    """Top-1 by formula, and that of the server by attribute."""
    rows, attributes, names = [], [], set()
    for statements, layout, captions in product(STATEMENTS, LAYOUTS, CAPTIONS):
        found = [
            judged(draw(folder, seed, statements, layout, options), captions, options)
            for seed in options.seeds
        ]
        label = f"{STATEMENTS[statements]}, {layout}, {captions}"
        print(label, file=sys.stderr, flush=True)
        rows.append([label, *(_cell([one[name][0] for one in found]) for name in FORMULAS)])
        if captions == "short":
            attributes.append((label, found))
            names |= {name for one in found for name in one if name.startswith(ATTRIBUTE)}
    by_attribute = []
    for name in sorted(names):
        cells = []
        for _, found in attributes:
            known = [one[name] for one in found if name in one]
            count = sum(n for _, n in known)
            cells.append(f"{sum(value * n for value, n in known) / count:.0f} (of {count})" if count else "–")
        by_attribute.append([name.removeprefix(ATTRIBUTE), *cells])
    head = ["attribute", *(label.removesuffix(", short") for label, _ in attributes)]
    return f"{table(['top-1, %', *FORMULAS], rows)}\n\n{table(head, by_attribute)}"


def changes_table(folder: Path, options: argparse.Namespace) -> str:
    """Changed or not, and where."""
    rows = []
    contender = ClipIn(options.bundle.resolve(), "--request-seconds", "300", precision=options.precision)
    with contender.start() as server:
        for layout in LAYOUTS:
            found = [look(server, draw(folder, seed, "nine", layout, options)) for seed in options.seeds]
            rows.append(
                [
                    layout,
                    _cell([100 * auroc(one.unchanged, one.changed) for one in found]),
                    _cell([100 * auroc(one.near_unchanged, one.near_changed) for one in found]),
                    _cell([100 * mean(one.inside) for one in found]),
                    _cell([100 * mean(one.pose) for one in found]),
                ]
            )
    head = ["changed parts lie", "AUROC, `changed.score`", "AUROC, 1 − cosine of embeddings"]
    return table([*head, "largest value of the map inside the change, %", "`pose`, %"], rows)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE, help="model (default: models/demo)")
    parser.add_argument("--count", type=int, default=60, help="parts of each seed and question")
    parser.add_argument("--seeds", type=int, nargs="+", default=[301, 302, 303, 304, 305])
    parser.add_argument("--size", type=int, default=256, help="height and width of the pictures")
    parser.add_argument("--language", default="narrow", choices=["narrow", "wide"])
    parser.add_argument("--precision", default="fp32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = [statements_tables(Path(folder), options), changes_table(Path(folder), options)]
    seeds = f"{len(options.seeds)} seeds with {options.count} parts each"
    print(
        f"\n{options.bundle.name}, {options.precision}, {options.size} px, {options.language} language, {seeds}\n"
    )
    print("\n\n".join(tables))


if __name__ == "__main__":
    main()
