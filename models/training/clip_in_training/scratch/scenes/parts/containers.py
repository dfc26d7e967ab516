"""Bottles, boxes and mugs."""

from __future__ import annotations

import math

from clip_in_training.scratch.scenes.paint import Paint, shade
from clip_in_training.scratch.scenes.pen import Pen

GLASS = (190, 212, 220)
_COFFEE = (72, 42, 24)


def bottle(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A glass bottle lying flat, cap up; cap, base and content have its colour."""
    neck = 0.17 if shape == "wide neck" else 0.07
    outline = [
        (-0.27, 0.5),
        (-0.27, -0.08),
        (-neck, -0.24),
        (-neck, -0.36),
        (neck, -0.36),
        (neck, -0.24),
        (0.27, -0.08),
        (0.27, 0.5),
    ]
    pen.polygon(outline, GLASS, shade(GLASS, 0.5))
    level = {"full": -0.08, "half full": 0.2, "empty": 0.5}[state]
    if level < 0.5:
        pen.rectangle(-0.24, level, 0.24, 0.47, paint.base, paint.dark, detail=True)
    pen.rectangle(-0.27, 0.42, 0.27, 0.5, paint.dark, detail=True)
    pen.rectangle(-neck - 0.05, -0.5, neck + 0.05, -0.34, paint.base, paint.edge)
    pen.stroke([(-0.19, -0.02), (-0.19, 0.38)], 0.035, shade(GLASS, 1.6))


def box(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A carton from above: closed with its seam taped, or open with four flaps and a dark inside."""
    w, h = (0.29, 0.29) if shape == "square box" else (0.3, 0.17)
    if state == "closed":
        w, h = w * 1.35, h * 1.35
        pen.rectangle(-w, -h, w, h, paint.base, paint.edge)
        pen.rectangle(-w, -0.045, w, 0.045, shade(paint.base, 1.5), paint.dark, detail=True)
        return
    f = 0.2
    for flap in (
        [(-w, -h), (w, -h), (w - 0.05, -h - f), (-w + 0.05, -h - f)],
        [(-w, h), (w, h), (w - 0.05, h + f), (-w + 0.05, h + f)],
        [(-w, -h), (-w, h), (-w - f, h - 0.05), (-w - f, -h + 0.05)],
        [(w, -h), (w, h), (w + f, h - 0.05), (w + f, -h + 0.05)],
    ):
        pen.polygon(flap, paint.light, paint.edge)
    pen.rectangle(-w, -h, w, h, shade(paint.base, 0.35), paint.edge)
    pen.polygon([(-w, h), (w, h), (w - 0.1, h - 0.09), (-w + 0.1, h - 0.09)], paint.dark, detail=True)


def mug(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A mug from above, handle up: coffee inside, or the bare floor."""
    if shape == "round handle":
        arc = [math.pi * k / 12 for k in range(13)]
        pen.polygon([(0.19 * math.cos(a), -0.22 - 0.28 * math.sin(a)) for a in arc], paint.base, paint.edge)
        hole = [(0.09 * math.cos(a), -0.22 - 0.18 * math.sin(a)) for a in arc]
    else:
        pen.rectangle(-0.2, -0.5, 0.2, -0.15, paint.base, paint.edge)
        hole = [(-0.1, -0.4), (0.1, -0.4), (0.1, -0.2), (-0.1, -0.2)]
    pen.polygon(hole, shade(paint.base, 0.35), paint.edge, detail=True)
    pen.circle(0, 0.12, 0.37, paint.base, paint.edge)
    if state == "full":
        pen.circle(0, 0.12, 0.25, _COFFEE, paint.edge, detail=True)
        pen.ellipse(-0.1, 0.03, 0.07, 0.045, shade(_COFFEE, 1.35), detail=True)
    else:
        pen.circle(0, 0.12, 0.25, shade(paint.base, 0.8), paint.edge, detail=True)
        pen.circle(0.02, 0.14, 0.17, paint.light, detail=True)
