"""Extra objects that may be absent. Each fits 1 wide and 0.45 high."""

from __future__ import annotations

import math

from clip_in_training.scratch.scenes.paint import INK, STEEL, shade
from clip_in_training.scratch.scenes.pen import Pen


def draw_extra(pen: Pen, kind: str) -> None:
    """Draw the named extra (any value of the attribute except "none")."""
    if kind == "pencil":
        pen.polygon([(-0.5, 0), (-0.32, -0.09), (-0.32, 0.09)], (226, 190, 140), shade(STEEL, 0.4))
        pen.rectangle(-0.32, -0.09, 0.38, 0.09, (222, 172, 40), (120, 88, 10))
        pen.polygon([(-0.5, 0), (-0.44, -0.03), (-0.44, 0.03)], INK, detail=True)
        pen.rectangle(0.38, -0.09, 0.5, 0.09, (222, 120, 130), (120, 50, 60))
    elif kind == "coin":
        pen.circle(0, 0, 0.24, (205, 150, 60), (110, 74, 20))
        pen.circle(0, 0, 0.16, (226, 178, 92), (150, 104, 36), detail=True)
    elif kind == "ruler":
        pen.rectangle(-0.5, -0.15, 0.5, 0.15, (242, 236, 198), (120, 116, 84))
        for k in range(9):
            pen.stroke([(-0.4 + 0.1 * k, -0.15), (-0.4 + 0.1 * k, 0.06 if k % 4 == 0 else -0.02)], 0.025, INK)
    elif kind == "battery":
        pen.rectangle(0.38, -0.07, 0.47, 0.07, STEEL, shade(STEEL, 0.4))
        pen.rectangle(-0.45, -0.16, 0.38, 0.16, (52, 56, 60), (20, 20, 22))
        pen.rectangle(0.1, -0.16, 0.38, 0.16, (196, 120, 52), (20, 20, 22), detail=True)
    elif kind == "warning sign":
        pen.polygon([(0, -0.26), (0.3, 0.22), (-0.3, 0.22)], (250, 206, 30), INK)
        pen.stroke([(0, -0.1), (0, 0.08)], 0.06, INK)
        pen.circle(0, 0.15, 0.035, INK, detail=True)
    else:
        side = [(-0.42 + 0.84 * t / 8, -0.19 * math.sin(math.pi * t / 8)) for t in range(9)]
        pen.polygon(side + [(x, -y) for x, y in reversed(side)], (92, 140, 48), (44, 74, 20))
        pen.stroke([(-0.5, 0), (0.36, 0)], 0.03, (44, 74, 20))
