"""Both benchmarks of the demo data on held-out scenes, and their tables in Markdown."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.evaluate.pairs import pair_accuracy
from clip_in_training.export.evaluate.retrieval import retrieval_table
from clip_in_training.scratch.data.examples import Examples, load_edits, load_scenes
from clip_in_training.scratch.recipe import Recipe
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES


def benchmark(graphs: Graphs, recipe: Recipe, split: str = "test") -> dict[str, dict]:
    """Pair accuracy on short captions by category, and retrieval among single scenes for short and long
    captions.

    Keys: "pairs" (category -> percent, and "mean"), "retrieval" ("short" and "long" -> measure -> percent),
    "counts". Raises `DataError` if the split was not generated.
    """
    folder, size = Path(recipe.data.directory) / split, recipe.data.image_size
    edits = load_edits(folder, size, ATTRIBUTES)
    scenes = load_scenes(folder, size, ATTRIBUTES)
    found = graphs.encode_images(scenes.pixels[:, 0])
    retrieval = {
        kind: retrieval_table(found, graphs.encode_texts([row[0] for row in captions]))
        for kind, captions in (("short", scenes.short), ("long", scenes.long))
    }
    each = int(np.unique(edits.category, return_counts=True)[1].min())
    return {
        "pairs": edit_pair_accuracy(graphs, edits),
        "retrieval": retrieval,
        "counts": {"pairs_per_category": each, "scenes": len(scenes)},
    }


def edit_pair_accuracy(graphs: Graphs, edits: Examples) -> dict[str, float]:
    """Pair accuracy of edits with their short captions, by category, and "mean"."""
    return edit_pair_accuracies(graphs, edits, ("short",))["short"]


def edit_pair_accuracies(
    graphs: Graphs, edits: Examples, kinds: Sequence[str] = ("short", "long")
) -> dict[str, dict[str, float]]:
    """Pair accuracy for several kinds of captions; images are encoded once."""
    images = graphs.encode_images(edits.pixels.reshape(-1, *edits.pixels.shape[2:]))
    width = images.shape[-1]
    images = images.reshape(-1, 2, width)
    tables = {}
    for kind in kinds:
        texts = graphs.encode_texts([text for row in getattr(edits, kind) for text in row])
        tables[kind] = pair_accuracy(images, texts.reshape(-1, 2, width), edits.category)
    return tables


def pairs_table(rows: dict[str, dict[str, float]], label: str = "model") -> str:
    """A Markdown table of pair accuracies, one line per model."""
    names = list(next(iter(rows.values())))
    lines = [f"| {label} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for row, values in rows.items():
        lines.append(f"| {row} | " + " | ".join(f"{values[name]:.1f}" for name in names) + " |")
    return "\n".join(lines)


def retrieval_rows(rows: dict[str, dict[str, dict[str, float]]], label: str = "model") -> str:
    """A Markdown table of retrieval, one line per model and caption length."""
    first = next(iter(rows.values()))
    names = list(first["short"])
    lines = [f"| {label} | captions | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for row, by_kind in rows.items():
        for kind, values in by_kind.items():
            lines.append(f"| {row} | {kind} | " + " | ".join(f"{values[name]:.1f}" for name in names) + " |")
    return "\n".join(lines)
