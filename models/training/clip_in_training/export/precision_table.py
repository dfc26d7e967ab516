"""The section of a model card that compares a bundle's variants; rewritten whenever a variant is added."""

from pathlib import Path

from clip_in_training.export.card_section import put_section

BEGIN, END = "<!-- precisions: written by code -->", "<!-- end of precisions -->"

COLUMNS = [
    "precision",
    "graphs, MB",
    "images: 1 - cosine, worst",
    "mean",
    "texts: worst",
    "mean",
    "largest difference of a coordinate",
    "pair accuracy, % (change)",
    "ms an image, batch 1",
    "batch 8",
]


def section(manifest: dict, folder: Path) -> str:
    """Makes the table of a manifest whose graphs are in `folder`, between its two markers."""
    source = manifest["provenance"]
    rows = [_row(variant, source, folder) for variant in manifest["variants"]]
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    notes = ["Distances are those to fp32 PyTorch, of inputs alone and in batches."]
    measured = source.get("speeds", {}).values()
    if measured:
        processors = sorted({entry["processor"] for entry in measured})
        notes.append(f"Times are CPU time of one thread: {'; '.join(processors)}.")
    if any(v["precision"] == "bf16" and v.get("speedup") is None for v in manifest["variants"]):
        notes.append("bf16 was emulated here, so its time says nothing.")
    return "\n".join([BEGIN, *lines, "", " ".join(notes), END])


def update_card(manifest: dict, folder: Path) -> None:
    """Replaces the section in `model-card.md`, or appends it if there is none."""
    put_section(folder, BEGIN, END, "## Precisions", section(manifest, folder))


def _row(variant: dict, source: dict, folder: Path) -> list[str]:
    precision = variant["precision"]
    image, text = variant["parity"]["image"], variant["parity"]["text"]
    return [
        precision,
        "those of fp32"
        if precision != "fp32" and variant["image"] == "image.onnx"
        else f"{_megabytes(folder / variant['image'])} + {_megabytes(folder / variant['text'])}",
        *(f"{value:.1e}" for value in (image["worst"], image["mean"], text["worst"], text["mean"])),
        f"{max(image['max_abs'], text['max_abs']):.1e}",
        _accuracy(variant, source),
        *_times(precision, source),
    ]


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f}"


def _accuracy(variant: dict, source: dict) -> str:
    """The accuracy column. It is measured for each variant; the table shows the exported model's value and the
    change.
    """
    mean, delta = source.get("benchmarks", {}).get("pairs", {}).get("mean"), variant["benchmark_delta"]
    if mean is None or delta is None:
        return "not measured"
    return f"{mean:.1f}" if variant["precision"] == "fp32" else f"{mean + delta:.1f} ({delta:+.1f})"


def _times(precision: str, source: dict) -> list[str]:
    speeds = source.get("speeds", {})
    if precision == "fp32" and speeds:
        first = next(iter(speeds.values()))
        return [f"{value:.1f}" for value in first["fp32_milliseconds"].values()]
    if precision not in speeds:
        return ["not measured"] * 2
    entry = speeds[precision]
    return [
        f"{value:.1f} ({entry['fp32_milliseconds'][batch] / value:.1f} x fp32)"
        for batch, value in entry["milliseconds"].items()
    ]
