"""Adds the weights of statements to a bundle."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clip_in_training.adapt.encoders import fp32_encoders
from clip_in_training.adapt.inputs import open_bundle
from clip_in_training.export.files import write_json
from clip_in_training.export.statements.features import FEATURES
from clip_in_training.export.statements.golden import with_golden_scores
from clip_in_training.statements.questions import draw_questions, read_questions
from clip_in_training.statements.weights import fit, top_1

SEED = 70_000
"""Of the drawn parts; no benchmark of the documentation draws with it."""


def add_statements(
    folder: Path, data: Sequence[Path], count: int, languages: Sequence[str], threads: int = 0
) -> dict[str, Any]:
    """Fits the weights and writes `statements` of the manifest, with how they were made in the provenance.

    `data` are folders of `changes-*.parquet`; without any, `count` parts of each kind are drawn. Returns the
    provenance. The bundle's other files are not touched.
    """
    manifest = open_bundle(folder)
    encoders = fp32_encoders(folder, manifest, threads)
    with tempfile.TemporaryDirectory() as scratch:
        size = max(manifest["image"]["size"])
        folders = data or draw_questions(Path(scratch), count, SEED, size, languages)
        asked = [question for each in folders for question in read_questions(each, encoders)]
    weights = fit(asked)
    section = {"weights": {name: float(weight) for name, weight in zip(FEATURES, weights, strict=True)}}
    manifest["statements"] = with_golden_scores(section, folder, manifest["golden"])
    manifest["provenance"]["statements"] = {
        "questions": len(asked),
        "source": f"{len(data)} folders" if data else f"drawn: {', '.join(languages)}",
        "seed": None if data else SEED,
        "top_1": top_1(asked, weights),
    }
    write_json(folder / "bundle.json", manifest)
    return manifest["provenance"]["statements"]
