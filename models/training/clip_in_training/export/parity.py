"""Proof that the exported graphs are the trained model: compared on many inputs, refused beyond a bound."""

from collections.abc import Callable

import numpy as np
import torch

from clip_in_training.evaluate.graphs import Graphs
from clip_in_training.export.weights import ExportError
from clip_in_training.model.dual_encoder import DualEncoder

LIMIT = 1e-4
"""Largest difference of any coordinate of an embedding."""


def measure_parity(
    model: DualEncoder, tokenize, graphs: Graphs, pixels: np.ndarray, texts: list[str]
) -> dict:
    """Compares the graphs with fp32 PyTorch, image by image and text by text, alone and in mixed batches.

    Returns {"image": {worst, mean, max_abs}, "text": …}, worst and mean being 1 - cosine. `pixels` uint8
    [rows, size, size, 3]. Raises `ExportError` beyond `LIMIT`.
    """
    model = model.eval()
    with torch.inference_mode():
        images = model.encode_image(torch.from_numpy(np.ascontiguousarray(pixels))).numpy()
        # One text at a time: no padding at all on the reference's side.
        expected = torch.cat([model.encode_text(tokenize([text])) for text in texts]).numpy()
    parity = {
        "image": _compare("image", images, lambda batch: graphs.encode_images(pixels, batch)),
        "text": _compare("text", expected, lambda batch: graphs.encode_texts(texts, batch)),
    }
    return parity


def _compare(tower: str, expected: np.ndarray, run: Callable[[int], np.ndarray]) -> dict[str, float]:
    """The worst of several batch sizes."""
    worst, means, largest = 0.0, [], 0.0
    for batch in (1, 7, 32):
        got = run(batch)
        distance = 1 - np.sum(expected.astype(np.float64) * got.astype(np.float64), axis=-1)
        worst = max(worst, float(np.abs(distance).max()))
        means.append(float(np.abs(distance).mean()))
        difference = float(np.abs(expected - got).max())
        largest = max(largest, difference) if np.isfinite(difference) else float("inf")
    if not largest <= LIMIT:
        raise ExportError(
            f"{tower}.onnx disagrees with PyTorch: off by {largest:.1e}, more than {LIMIT:.0e}; "
            "no bundle was written. Export again; if it stays, the graph is not the trained model"
        )
    return {"worst": worst, "mean": float(np.mean(means)), "max_abs": largest}
