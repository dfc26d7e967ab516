"""Checks that features.onnx computes what PyTorch computes."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from clip_in_training.common.errors import ExportError
from clip_in_training.export.inputs import scenes
from clip_in_training.small.features.graph import INPUT, FeatureGraph

LIMIT = 1e-4
"""Largest allowed relative distance of an output of an image."""
CHECKED = 4


def feature_parity(graph: FeatureGraph, path: Path, size: int) -> dict[str, dict[str, float]]:
    """Compares the graph with PyTorch by output: `worst`, the largest ‖difference‖ / ‖expected‖ of an image, and
    `max_abs`, the largest difference of a number.

    Drawn scenes at `size`, alone and together, a part of them that is not square, and noise. Raises `ExportError`
    beyond `LIMIT`.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    deepest = graph.strides[-1]
    pixels = scenes(size)[0][:CHECKED]
    noise = np.random.default_rng(1).integers(0, 256, (2, 4 * deepest, 6 * deepest, 3), dtype=np.uint8)
    batches = [pixels[:1], pixels, pixels[:, : 5 * deepest, : 4 * deepest], noise]
    worst = {output["name"]: {"worst": 0.0, "max_abs": 0.0} for output in graph.outputs()}
    for batch in map(np.ascontiguousarray, batches):
        with torch.inference_mode():
            expected = [maps.numpy() for maps in graph(torch.from_numpy(batch))]
        found = session.run(list(worst), {INPUT: batch})
        for name, one, other in zip(worst, expected, found, strict=True):
            measured = _distances(name, one, other)
            worst[name] = {key: max(worst[name][key], measured[key]) for key in measured}
    for name, measured in worst.items():
        if not measured["worst"] <= LIMIT:
            raise ExportError(
                f"{path.name} disagrees with PyTorch: {name} is off by {measured['worst']:.1e}, "
                f"more than {LIMIT:.0e}; the bundle is unchanged"
            )
    return worst


def _distances(name: str, expected: np.ndarray, found: np.ndarray) -> dict[str, float]:
    if expected.shape != found.shape:
        raise ExportError(
            f"{name} has the shape {found.shape} instead of {expected.shape}; the bundle is unchanged"
        )
    off = np.nan_to_num(expected.astype(np.float64) - found, nan=np.inf).reshape(len(expected), -1)
    length = np.linalg.norm(expected.reshape(len(expected), -1).astype(np.float64), axis=1)
    return {
        "worst": float((np.linalg.norm(off, axis=1) / length).max()),
        "max_abs": float(np.abs(off).max()),
    }
