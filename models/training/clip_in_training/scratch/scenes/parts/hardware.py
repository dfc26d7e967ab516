"""Bolts, gears, plates and plugs."""

from __future__ import annotations

import math

from clip_in_training.scratch.scenes.paint import INK, STEEL, Paint, shade
from clip_in_training.scratch.scenes.pen import Pen


def bolt(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """Seen from its side, tip up; the head shows its form."""
    pen.polygon(
        [(-0.11, 0.22), (-0.11, -0.42), (-0.06, -0.5), (0.06, -0.5), (0.11, -0.42), (0.11, 0.22)],
        paint.base,
        paint.edge,
    )
    for k in range(7):
        y = -0.4 + k * 0.065
        pen.stroke([(-0.11, y + 0.03), (0.11, y)], 0.018, paint.dark)
    pen.stroke([(-0.05, -0.4), (-0.05, 0.2)], 0.03, paint.light)
    if shape == "hex head":
        pen.polygon(
            [(-0.3, 0.2), (0.3, 0.2), (0.3, 0.46), (0.26, 0.5), (-0.26, 0.5), (-0.3, 0.46)],
            paint.base,
            paint.edge,
        )
        pen.polygon(
            [(-0.12, 0.21), (0.12, 0.21), (0.12, 0.49), (-0.12, 0.49)], paint.light, paint.edge, detail=True
        )
    elif shape == "round head":
        arc = [(0.3 * math.cos(a), 0.2 + 0.3 * math.sin(a)) for a in [math.pi * k / 14 for k in range(15)]]
        pen.polygon(arc, paint.base, paint.edge)
        pen.polygon([(x * 0.4 - 0.08, 0.24 + (y - 0.2) * 0.5) for x, y in arc], paint.light, detail=True)
    else:
        pen.polygon(
            [(-0.11, 0.16), (0.11, 0.16), (0.32, 0.44), (0.32, 0.5), (-0.32, 0.5), (-0.32, 0.44)],
            paint.base,
            paint.edge,
        )
        pen.polygon([(-0.05, 0.2), (0.03, 0.2), (0.08, 0.4), (-0.16, 0.4)], paint.light, detail=True)


def _toothed(teeth: int, outer: float, root: float) -> list[tuple[float, float]]:
    points = []
    for k in range(teeth):
        for offset, radius in ((-0.32, root), (-0.2, outer), (0.2, outer), (0.32, root)):
            angle = 2 * math.pi * (k + offset) / teeth
            points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return points


def gear(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """Seen along its axis. Coarse: 8 teeth; fine: 18; spokes: 12 teeth and open windows."""
    teeth = {"coarse teeth": 8, "fine teeth": 18, "spokes": 12}[shape]
    root = {8: 0.35, 18: 0.42, 12: 0.39}[teeth]
    pen.polygon(_toothed(teeth, 0.5, root), paint.base, paint.edge)
    if shape == "spokes":
        for k in range(4):
            start = math.pi / 2 * k + 0.22
            arc = [start + (math.pi / 2 - 0.44) * t / 6 for t in range(7)]
            window = [(0.31 * math.cos(a), 0.31 * math.sin(a)) for a in arc]
            window += [(0.17 * math.cos(a), 0.17 * math.sin(a)) for a in reversed(arc)]
            pen.polygon(window, shade(STEEL, 0.35), paint.edge, detail=True)
    else:
        pen.circle(0, 0, 0.2, paint.light, paint.edge, detail=True)
    pen.circle(0, 0, 0.09, INK, paint.edge, detail=True)


def plate(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A plate with cut corners and drilled holes or a slot."""
    a, b = 0.46, 0.38
    outline = [(-b, -a), (b, -a), (a, -b), (a, b), (b, a), (-b, a), (-a, b), (-a, -b)]
    pen.polygon(outline, paint.base, paint.edge)
    pen.polygon(
        [(-0.4, -0.42), (0.2, -0.42), (-0.42, 0.2), (-0.42, -0.38)], shade(paint.base, 1.12), detail=True
    )
    if shape == "slot":
        pen.polygon(
            [(-0.24, -0.31), (0.24, -0.31), (0.29, -0.25), (0.24, -0.19), (-0.24, -0.19), (-0.29, -0.25)],
            INK,
            paint.edge,
            detail=True,
        )
        return
    holes = [(-0.28, -0.26), (0.28, -0.26)]
    if shape == "four holes":
        holes += [(-0.28, 0.28), (0.28, 0.28)]
    for x, y in holes:
        pen.circle(x, y, 0.085, INK, paint.edge, detail=True)


def plug(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A mains plug with its prongs up and a piece of cable below."""
    pen.stroke(
        [(0, 0.2), (0.02, 0.34), (-0.06, 0.42), (-0.04, 0.5)], 0.09, shade(paint.base, 0.6), detail=False
    )
    for x in (-0.2, 0.2) if shape == "two prongs" else (-0.22, 0, 0.22):
        pen.rectangle(x - 0.05, -0.5, x + 0.05, -0.1, STEEL, shade(STEEL, 0.45))
    pen.polygon(
        [(-0.36, -0.16), (0.36, -0.16), (0.36, 0.08), (0.14, 0.3), (-0.14, 0.3), (-0.36, 0.08)],
        paint.base,
        paint.edge,
    )
    pen.polygon([(-0.36, -0.16), (0.36, -0.16), (0.36, -0.08), (-0.36, -0.08)], paint.light, detail=True)
