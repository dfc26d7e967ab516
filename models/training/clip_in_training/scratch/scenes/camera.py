"""The camera's position: a homography from the unit square of the mat to pixels."""

from __future__ import annotations

from random import Random

import numpy as np


def homography(corners: np.ndarray) -> np.ndarray:
    """3x3 matrix that maps the unit square's corners (0,0) (1,0) (1,1) (0,1) to the four given points."""
    rows, right = [], []
    for (x, y), (u, v) in zip(((0, 0), (1, 0), (1, 1), (0, 1)), corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows, float), np.array(right, float)), 1.0).reshape(3, 3)


def _centred(scale: float) -> list[list[float]]:
    a, b = 0.5 - scale / 2, 0.5 + scale / 2
    return [[a, a], [b, a], [b, b], [a, b]]


# Corners of the mat in the picture, in units of its side. "top" shows a margin around the mat, "close" none;
# the tilted ones keep every glyph at least 9 px high at 128 px.
_CORNERS: dict[str, list[list[float]]] = {
    "top": _centred(0.84),
    "close": _centred(1.0),
    "far": _centred(0.68),
    "front": [[0.18, 0.15], [0.82, 0.15], [1.02, 0.93], [-0.02, 0.93]],
    "left": [[0.05, -0.02], [0.88, 0.15], [0.88, 0.85], [0.05, 1.02]],
    "right": [[0.12, 0.15], [0.95, -0.02], [0.95, 1.02], [0.12, 0.85]],
}


def camera(viewpoint: str, jitter: Random, pixels: int) -> np.ndarray:
    """Homography from mat to pixels for a picture ``pixels`` wide, with a little variation."""
    corners = np.array(_CORNERS[viewpoint])
    room = 0.012 if viewpoint == "close" else 0.03
    corners += np.array([jitter.uniform(-room, room), jitter.uniform(-room, room)])
    corners += np.array([[jitter.uniform(-0.012, 0.012) for _ in range(2)] for _ in range(4)])
    return homography(corners * pixels)
