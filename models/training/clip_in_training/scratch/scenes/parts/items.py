"""The small parts that are counted. Each is about one unit wide."""

from __future__ import annotations

import math

from clip_in_training.scratch.scenes.paint import INK, Paint
from clip_in_training.scratch.scenes.pen import Pen

_HEXAGON = [(0.5 * math.cos(math.pi / 3 * k), 0.5 * math.sin(math.pi / 3 * k)) for k in range(6)]


def draw_item(pen: Pen, kind: str, paint: Paint, surface: tuple[int, int, int]) -> None:
    """Draw one small part; ``surface`` is visible through its hole."""
    if kind == "washer":
        pen.circle(0, 0, 0.5, paint.base, paint.edge)
        pen.circle(0, 0, 0.25, surface, paint.edge, detail=True)
    elif kind == "nut":
        pen.polygon(_HEXAGON, paint.base, paint.edge)
        pen.circle(0, 0, 0.2, INK, paint.edge, detail=True)
    elif kind == "screw":
        pen.polygon(
            [(-0.12, -0.15), (0.12, -0.15), (0.12, 0.35), (0, 0.55), (-0.12, 0.35)], paint.base, paint.edge
        )
        pen.rectangle(-0.38, -0.5, 0.38, -0.15, paint.base, paint.edge)
    elif kind == "ball":
        pen.circle(0, 0, 0.46, paint.base, paint.edge)
        pen.circle(-0.14, -0.16, 0.13, paint.light, detail=True)
    elif kind == "spring":
        line = [(-0.3 if k % 2 else 0.3, -0.5 + k / 6) for k in range(7)]
        pen.stroke(line, 0.24, paint.edge, detail=False)
        pen.stroke(line, 0.15, paint.base)
    else:
        pen.rectangle(-0.43, -0.43, 0.43, 0.43, paint.base, paint.edge)
