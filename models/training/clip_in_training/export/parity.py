"""Checks that the exported graphs match the trained model: many inputs are compared against a limit."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from clip_in_training.common.errors import ExportError
from clip_in_training.export.evaluate.graphs import Graphs

LIMIT = 1e-4
"""Largest allowed difference of any coordinate of an embedding."""


@dataclass
class Checks:
    """Inputs, and the vectors that fp32 PyTorch computes for them."""

    pixels: np.ndarray
    """uint8 [rows, size, size, 3]"""
    texts: list[str]
    images: np.ndarray
    """Vectors of `pixels`, [rows, embedding_dim]."""
    expected_texts: np.ndarray
    """Vectors of `texts`."""


def checks(model, tokenize, pixels: np.ndarray, texts: list[str]) -> Checks:
    """Runs the model (`encode_image`, `encode_text`, fp32) on each input separately, so without padding."""
    model = model.eval()
    with torch.inference_mode():
        rows = [torch.from_numpy(np.ascontiguousarray(row)) for row in pixels]
        images = torch.cat([model.encode_image(row[None]) for row in rows]).numpy()
        vectors = torch.cat([model.encode_text(tokenize([text])) for text in texts]).numpy()
    return Checks(pixels, texts, images, vectors)


def measure_parity(known: Checks, graphs: Graphs) -> dict[str, dict[str, float]]:
    """Compares fp32 graphs with PyTorch, image by image and text by text, alone and in mixed batches.

    Returns {"image": {worst, mean, max_abs}, "text": …}, where worst and mean are 1 - cosine. Raises `ExportError`
    beyond `LIMIT`.
    """
    parity, _ = distances(known, graphs)
    for tower, measured in parity.items():
        off = measured["max_abs"]
        if not off <= LIMIT:
            raise ExportError(
                f"{tower}.onnx disagrees with PyTorch: off by {off:.1e}, more than {LIMIT:.0e}; "
                "no bundle was written. Export again; if the error repeats, the graph is not the trained model"
            )
    return parity


def distances(known: Checks, graphs: Graphs) -> tuple[dict[str, dict[str, float]], float]:
    """Measures as `measure_parity` does, for graphs of any precision and without a limit. Adds the largest 1 -
    cosine between an input's vector alone and in a batch.
    """
    image, image_drift = _compare(known.images, lambda batch: graphs.encode_images(known.pixels, batch))
    text, text_drift = _compare(known.expected_texts, lambda batch: graphs.encode_texts(known.texts, batch))
    return {"image": image, "text": text}, max(image_drift, text_drift)


def _compare(expected: np.ndarray, run: Callable[[int], np.ndarray]) -> tuple[dict[str, float], float]:
    """The worst result over several batch sizes, and the drift between them."""
    alone, *batched = (run(batch) for batch in (1, 7, 32))
    off = [_distance(expected, got) for got in (alone, *batched)]
    drift = max(float(_distance(alone, got).max()) for got in batched)
    largest = max(float(np.nan_to_num(np.abs(expected - got), nan=np.inf).max()) for got in (alone, *batched))
    return {
        "worst": float(np.max(off)),
        "mean": float(np.mean(off)),
        "max_abs": largest,
    }, drift


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """|1 - cosine| of rows of unit vectors; infinite for a value that is not a number."""
    cosine = np.sum(one.astype(np.float64) * other.astype(np.float64), axis=-1)
    return np.nan_to_num(np.abs(1 - cosine), nan=np.inf)
