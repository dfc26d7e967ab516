"""Adds variants to an existing bundle: converts, measures, rejects unusable ones, updates the documents."""

import os
import tempfile
from pathlib import Path

from clip_in_training.common.errors import ExportError
from clip_in_training.common.whole_file import replacing
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.evaluate.speed import milliseconds_per_image, processor
from clip_in_training.export.files import checksums, write_json
from clip_in_training.export.parity import distances
from clip_in_training.export.precision_table import update_card
from clip_in_training.export.variants.fp16 import to_fp16
from clip_in_training.export.variants.int8 import to_int8
from clip_in_training.export.variants.openvino import bf16_graphs, has_bf16, require_openvino
from clip_in_training.export.variants.subject import Subject, subject_of
from clip_in_training.scratch.model.bundle import read_manifest

PRECISIONS = ("int8", "fp16", "bf16")
NONSENSE = 0.1
"""Largest allowed 1 - cosine of a variant."""
MARGIN, LEAST_TOLERANCE = 3, 1e-4
"""The golden check allows MARGIN times the worst measured distance: other processors round differently, and the
golden inputs are not the measured ones. Distances below LEAST_TOLERANCE count as equal.
"""
BATCH_DEPENDENT = 1e-5
"""1 - cosine between an input alone and in a batch from which the variant counts as dependent on its batch."""
SURELY_FP32 = 1e-5
"""Rounding to bf16 (8 bits) changes at least one coordinate by more than this."""
TURNS = 20


def add_variants(folder: Path, precisions: list[str], subject: Subject | None = None) -> dict:
    """Converts the fp32 graphs of a bundle, measures the results, and updates manifest, card and checksums.

    Replaces a variant that exists already. `subject` holds the inputs for the measurements; if None, it is loaded
    from the bundle's records. Returns the manifest. Raises `ExportError` if a precision is unknown, cannot be
    computed on this machine, or gives wrong results; the bundle is unchanged then.
    """
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown:
        raise ExportError(f"unknown precision {', '.join(unknown)}; known: {', '.join(PRECISIONS)}")
    manifest = read_manifest(folder)
    if not precisions:
        return manifest
    if "bf16" in precisions:
        require_openvino()  # fail before the slow part
    subject = subject or subject_of(folder, manifest)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        entries, speeds = _make(folder, Path(work), precisions, subject)
        for name in sorted(Path(work).glob("*.*.onnx")):
            with replacing(folder / name.name) as partial:
                os.replace(name, partial)
    kept = [v for v in manifest["variants"] if v["precision"] not in precisions]
    order = ("fp32", *PRECISIONS)
    manifest["variants"] = sorted(kept + entries, key=lambda v: order.index(v["precision"]))
    earlier = manifest["provenance"].get("speeds", {})
    manifest["provenance"]["speeds"] = {
        **{name: entry for name, entry in earlier.items() if name not in precisions},
        **speeds,
    }
    update_card(manifest, folder)
    manifest["files"] = checksums(folder)
    write_json(folder / "bundle.json", manifest)
    return manifest


def _make(folder: Path, work: Path, precisions: list[str], subject: Subject) -> tuple[list[dict], dict]:
    """Entries for the manifest, and the timed graphs, by precision."""
    fp32 = Graphs(folder / "image.onnx", folder / "text.onnx", subject.tokenize, threads=1)
    opened = {name: _open(name, folder, work, subject) for name in precisions}
    accuracy = subject.accuracy(fp32) if subject.accuracy else None
    timed = {name: graphs for name, graphs in opened.items() if name != "bf16" or has_bf16()}
    times = milliseconds_per_image({"fp32": fp32, **timed}, subject.checks.pixels, TURNS) if timed else {}
    entries, speeds = [], {}
    for name, graphs in opened.items():
        delta = None
        if subject.accuracy is not None and accuracy is not None:
            delta = subject.accuracy(graphs) - accuracy
        parity, drift = distances(subject.checks, graphs)
        _refuse(name, parity)
        worst = max(tower["worst"] for tower in parity.values())
        entries.append(
            {
                "precision": name,
                "image": _file("image", name),
                "text": _file("text", name),
                "parity": parity,
                "benchmark_delta": delta,
                "speedup": times["fp32"]["1"] / times[name]["1"] if name in times else None,
                "golden_tolerance": max(MARGIN * worst, LEAST_TOLERANCE),
                "batch_dependent": drift > BATCH_DEPENDENT,
            }
        )
        if name in times:
            speeds[name] = {
                "milliseconds": times[name],
                "fp32_milliseconds": times["fp32"],
                "processor": processor(),
            }
    return entries, speeds


def _file(tower: str, precision: str) -> str:
    """bf16 has no graph of its own."""
    return f"{tower}.onnx" if precision == "bf16" else f"{tower}.{precision}.onnx"


def _open(precision: str, folder: Path, work: Path, subject: Subject) -> Graphs:
    """Converts both towers into the folder `work` and loads them."""
    if precision == "bf16":
        return bf16_graphs(folder / "image.onnx", folder / "text.onnx", subject.tokenize)
    feeds = {"image": subject.image_feeds, "text": subject.text_feeds}
    paths = {}
    for tower, feed in feeds.items():
        source, paths[tower] = folder / f"{tower}.onnx", work / _file(tower, precision)
        if precision == "int8":
            to_int8(source, paths[tower], work, feed())
        else:
            to_fp16(source, paths[tower], work)
    return Graphs(paths["image"], paths["text"], subject.tokenize, threads=1)


def _refuse(precision: str, parity: dict) -> None:
    if precision == "bf16" and parity["image"]["max_abs"] < SURELY_FP32:
        raise ExportError("OpenVINO computed in fp32 although bf16 was asked for; bf16 was not measured")
    for tower, measured in parity.items():
        if not measured["worst"] <= NONSENSE:
            raise ExportError(
                f"the {precision} {tower} encoder differs too much from the fp32 one: 1 - cosine up to "
                f"{measured['worst']:.2f}. Leave {precision} out of --precisions; the bundle is unchanged"
            )
