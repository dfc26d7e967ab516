"""Golden scores of statements: the server computes them again from the golden vectors before it reports ready."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from clip_in_training.export.statements.features import FEATURES, features

REFERENCE, PICTURE = 0, 1
"""Indices among the golden images: the golden sample, and the picture that the statements are about."""
REFERENCE_TEXT = 0
"""Index of the golden text that is true of the golden sample. All golden texts are statements, this one too."""


def with_golden_scores(section: dict[str, Any], folder: Path, golden: str) -> dict[str, Any]:
    """The manifest's `statements` with the scores of the golden vectors in `folder`; without, if there are too few.

    `golden` is the file's name in the bundle.
    """
    known = json.loads((folder / golden).read_text(encoding="utf-8"))
    kept = {key: value for key, value in section.items() if key != "golden"}
    if len(known["images"]) <= PICTURE:
        return kept
    picture, reference = (np.asarray(known["images"][place]["embedding"]) for place in (PICTURE, REFERENCE))
    texts = np.asarray([entry["embedding"] for entry in known["texts"]])
    others = np.repeat(texts[REFERENCE_TEXT : REFERENCE_TEXT + 1], len(texts), axis=0)
    weights = np.array([section["weights"][name] for name in FEATURES])
    kept["golden"] = {
        "picture": PICTURE,
        "reference": REFERENCE,
        "texts": list(range(len(texts))),
        "reference_text": REFERENCE_TEXT,
        "scores": (features(picture, reference, texts, others) @ weights).tolist(),
    }
    return kept
