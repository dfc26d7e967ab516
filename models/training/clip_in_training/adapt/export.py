"""Writes the adapted bundle: a copy with a product behind each tower, golden values, replay file, card and record."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from clip_in_training.adapt import replay as replay_file
from clip_in_training.adapt.card import put_adaptation
from clip_in_training.adapt.encoders import Encoders, unit
from clip_in_training.adapt.product import put_products
from clip_in_training.adapt.replay import Replay
from clip_in_training.common.created import created
from clip_in_training.common.errors import ExportError
from clip_in_training.export.files import checksums, whole_or_not_at_all, write_json
from clip_in_training.export.precision_table import BEGIN, update_card
from clip_in_training.export.statements.golden import with_golden_scores

ADAPTERS = "adapters.safetensors"
KEY = "adapted"
"""In the manifest's provenance: a list, an entry for each adaptation."""
LIMIT = 1e-4
"""Largest difference of a coordinate between the fp32 graphs and the product computed in float64."""
MARGIN, LEAST_TOLERANCE, NONSENSE = 3, 1e-4, 0.1
"""Of variants, as in `export.variants.add`."""
WEIGHTS = (
    "model.safetensors, if there is one, holds the weights before all adaptations; "
    f"{ADAPTERS} holds the product of each tower"
)


@dataclass(frozen=True)
class Products:
    """[embedding_dim, embedding_dim] of each tower, float64."""

    image: np.ndarray
    text: np.ndarray


@dataclass(frozen=True)
class Checks:
    """Inputs that the new graphs are compared on."""

    pixels: np.ndarray
    """uint8 [rows, height, width, 3]"""
    texts: list[str]


def write_adapted(
    source: Path,
    out: Path,
    manifest: dict[str, Any],
    products: Products,
    replay: Replay | None,
    entry: dict[str, Any],
    checks: Checks,
    name: str | None,
    threads: int = 0,
) -> dict[str, Any]:
    """Writes the bundle to `out`, replacing what is there, and returns its manifest. `entry` joins its provenance.
    `replay` is what the new bundle replays from: that of the old bundle, or what was replayed now if that had none.

    Raises `ExportError` if a graph cannot be changed, or if a changed one disagrees with the product of what the
    bundle in `source` computes; `out` is unchanged then.
    """
    content = json.loads(json.dumps(manifest))
    images, texts = content["image"], content["text"]
    per_tower = {
        "image": {output: products.image for output in (images["output"], images["patch_output"]) if output},
        "text": {texts["output"]: products.text},
    }
    with whole_or_not_at_all(out) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        for tower, matrices in per_tower.items():
            for graph in sorted({variant[tower] for variant in content["variants"]}):
                put_products(source / graph, folder / graph, matrices)
        _golden(folder / content["golden"], products)
        if "statements" in content:
            content["statements"] = with_golden_scores(content["statements"], folder, content["golden"])
        parity = _measure(source, folder, content, products, checks, threads)
        _adapters(folder / ADAPTERS, products)
        content["name"] = name or content["name"]
        recorded = {**entry, "parity": parity, "weights": WEIGHTS, "created": created()}
        content["provenance"].setdefault(KEY, []).append(recorded)
        put_adaptation(folder, content["provenance"][KEY])
        card = folder / "model-card.md"
        if BEGIN in card.read_text(encoding="utf-8"):
            update_card(content, folder)
        if replay is not None:
            _replay(folder, content, products, replay)
        content["files"] = checksums(folder)
        write_json(folder / "bundle.json", content)
    return content


def _golden(path: Path, products: Products) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    for entries, matrix in ((golden["images"], products.image), (golden["texts"], products.text)):
        for entry in entries:
            vector = matrix @ np.asarray(entry["embedding"], dtype=np.float64)
            entry["embedding"] = (vector / np.linalg.norm(vector)).astype(np.float32).tolist()
    write_json(path, golden)


def _measure(
    source: Path, folder: Path, content: dict[str, Any], products: Products, checks: Checks, threads: int
) -> dict[str, Any]:
    """Compares each variant with the product of the old fp32 graph's vectors, and enters distances and tolerances."""
    fp32 = next(variant for variant in content["variants"] if variant["precision"] == "fp32")
    old = Encoders(source, content, fp32, threads)
    expected = {
        "image": unit(old.images(checks.pixels).astype(np.float64) @ products.image.T),
        "text": unit(old.texts(checks.texts).astype(np.float64) @ products.text.T),
    }
    del old
    found = {}
    for variant in content["variants"]:
        if variant["precision"] == "bf16":
            _bounded(variant, products)
            continue
        new = Encoders(folder, content, variant, threads)
        parity = {
            "image": _distance(expected["image"], new.images(checks.pixels)),
            "text": _distance(expected["text"], new.texts(checks.texts)),
        }
        _refuse(variant["precision"], parity)
        worst = max(tower["worst"] for tower in parity.values())
        least = LEAST_TOLERANCE if variant["precision"] != "fp32" else variant["golden_tolerance"]
        variant["golden_tolerance"] = max(variant["golden_tolerance"], least, MARGIN * worst)
        if variant.get("parity") is not None:
            variant["parity"] = parity
        found[variant["precision"]] = parity
    return found


def _bounded(variant: dict[str, Any], products: Products) -> None:
    """OpenVINO computes bf16, from the fp32 graphs. It is not run here: distances are multiplied by what the products
    can stretch them by at most, the condition number for an angle and its square for 1 - cosine.
    """
    stretch = {tower: float(np.linalg.cond(getattr(products, tower))) for tower in ("image", "text")}
    variant["golden_tolerance"] *= max(stretch.values()) ** 2
    for tower, measured in (variant.get("parity") or {}).items():
        for key, power in (("worst", 2), ("mean", 2), ("max_abs", 1)):
            measured[key] *= stretch[tower] ** power


def _refuse(precision: str, parity: dict[str, dict[str, float]]) -> None:
    for tower, measured in parity.items():
        if precision == "fp32" and not measured["max_abs"] <= LIMIT:
            raise ExportError(
                f"the adapted {tower} graph is off by {measured['max_abs']:.1e} from the product, more than "
                f"{LIMIT:.0e}; no bundle was written"
            )
        if not measured["worst"] <= NONSENSE:
            raise ExportError(
                f"adapted, the {precision} {tower} encoder differs too much from the fp32 one: 1 - cosine up to "
                f"{measured['worst']:.2f}; no bundle was written. Adapt a bundle without {precision}"
            )


def _distance(expected: np.ndarray, found: np.ndarray) -> dict[str, float]:
    exact, other = expected.astype(np.float64), found.astype(np.float64)
    off = np.nan_to_num(np.abs(1 - np.sum(exact * other, axis=-1)), nan=np.inf)
    return {
        "worst": float(off.max()),
        "mean": float(off.mean()),
        "max_abs": float(np.nan_to_num(np.abs(exact - other), nan=np.inf).max()),
    }


def _adapters(path: Path, products: Products) -> None:
    """The product of all adaptations so far, float32."""
    both = {"image": products.image, "text": products.text}
    if path.is_file():
        earlier = load_file(path)
        both = {tower: matrix @ earlier[tower].astype(np.float64) for tower, matrix in both.items()}
    save_file(
        {tower: np.ascontiguousarray(matrix.astype(np.float32)) for tower, matrix in both.items()}, path
    )
    path.chmod(0o644)


def _replay(folder: Path, content: dict[str, Any], products: Products, replay: Replay) -> None:
    """The vectors of the new bundle. What the next adaptation compares with stays what it was."""
    replay_file.write_replay(replay_file.moved(replay, products.image, products.text), folder)
    earlier = content["provenance"].get(replay_file.KEY, {})
    known = replay_file.record(replay, content, checksums(folder), earlier.get("seed"))
    content["provenance"][replay_file.KEY] = known


def golden_distance(folder: Path, manifest: dict[str, Any], encoders: Encoders) -> float:
    """Largest 1 - cosine of the golden inputs to their vectors: does this module read inputs as the server does?"""
    golden = json.loads((folder / manifest["golden"]).read_text(encoding="utf-8"))
    pixels = []
    for entry in golden["images"]:
        with Image.open(folder / entry["file"]) as image:
            pixels.append(encoders.pixels(image))
    texts = encoders.texts([entry["text"] for entry in golden["texts"]], batch=1)
    worst = 0.0
    for entries, vectors in ((golden["images"], encoders.images(np.stack(pixels))), (golden["texts"], texts)):
        known = unit(np.array([entry["embedding"] for entry in entries]))
        worst = max(worst, _distance(known, vectors)["worst"])
    return worst
