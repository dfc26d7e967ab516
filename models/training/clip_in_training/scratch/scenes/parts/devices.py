"""Gauges, chips, padlocks, torches and switches."""

from __future__ import annotations

import math

from clip_in_training.scratch.scenes.paint import INK, STEEL, Paint, shade
from clip_in_training.scratch.scenes.pen import Pen

FACE = (244, 244, 238)
_NEEDLE = (205, 30, 30)
_GLOW = (255, 244, 150)
_LAMP_ON = (70, 235, 90)
_LAMP_OFF = (88, 92, 88)


def gauge(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A dial in a coloured bezel; the needle points left (low), up (middle) or right (high)."""
    if shape == "round dial":
        pen.circle(0, 0, 0.48, paint.base, paint.edge)
        pen.circle(0, 0, 0.35, FACE, paint.edge, detail=True)
    else:
        pen.rectangle(-0.46, -0.46, 0.46, 0.46, paint.base, paint.edge)
        pen.rectangle(-0.34, -0.34, 0.34, 0.34, FACE, paint.edge, detail=True)
    for k in range(7):
        angle = math.radians(-210 + 40 * k)
        c, s = math.cos(angle), math.sin(angle)
        pen.stroke([(0.25 * c, 0.25 * s), (0.32 * c, 0.32 * s)], 0.03, INK)
    angle = math.radians({"low": -190, "middle": -90, "high": 10}[state])
    c, s = math.cos(angle), math.sin(angle)
    pen.polygon(
        [(-0.045 * s, 0.045 * c), (0.29 * c, 0.29 * s), (0.045 * s, -0.045 * c)], _NEEDLE, detail=True
    )
    pen.circle(0, 0, 0.06, INK, detail=True)


def chip(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """An integrated circuit; a notch and a dot mark its upper end."""
    for y in (-0.27, -0.09, 0.09, 0.27):
        pen.rectangle(-0.48, y - 0.045, 0.48, y + 0.045, STEEL, shade(STEEL, 0.5))
        if shape == "pins on four sides":
            pen.rectangle(y - 0.045, -0.48, y + 0.045, 0.48, STEEL, shade(STEEL, 0.5))
    pen.rectangle(-0.36, -0.38, 0.36, 0.38, paint.base, paint.edge)
    arc = [(0.12 * math.cos(a), -0.38 + 0.13 * math.sin(a)) for a in [math.pi * k / 10 for k in range(11)]]
    mark = shade(paint.base, 1.75) if sum(paint.base) < 380 else shade(paint.base, 0.25)
    pen.polygon(arc, mark, detail=True)
    pen.circle(-0.24, -0.25, 0.055, mark, detail=True)


def padlock(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A padlock, shackle up; unlocked, the shackle is drawn out and one leg hangs free."""
    lift = 0.0 if state == "locked" else 0.1
    foot = 0.1 if state == "locked" else -0.16
    arc = [math.pi * k / 12 for k in range(13)]
    top = -0.28 if state == "locked" else -0.3
    line = [(-0.2, 0.1), *[(-0.2 * math.cos(a), top + 0.04 - (0.16) * math.sin(a)) for a in arc], (0.2, foot)]
    if lift:
        line = [(x * 1.0 if x < 0 else x * 1.25, y) for x, y in line]
    pen.stroke(line, 0.1, shade(STEEL, 0.45), detail=False)
    pen.stroke(line, 0.065, STEEL)
    if shape == "square body":
        pen.rectangle(-0.34, -0.06, 0.34, 0.5, paint.base, paint.edge)
        pen.rectangle(-0.34, -0.06, 0.34, 0.03, paint.light, detail=True)
    else:
        pen.circle(0, 0.2, 0.32, paint.base, paint.edge)
        pen.circle(-0.02, 0.18, 0.23, paint.light, detail=True)
    pen.circle(0, 0.18, 0.055, INK, detail=True)
    pen.polygon([(-0.02, 0.18), (0.02, 0.18), (0.05, 0.33), (-0.05, 0.33)], INK, detail=True)


def torch(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A hand torch, lens up; lit, it throws a short bright cone."""
    if state == "lit":
        pen.polygon([(-0.2, -0.26), (0.2, -0.26), (0.36, -0.52), (-0.36, -0.52)], _GLOW, detail=True)
    pen.rectangle(-0.12, -0.02, 0.12, 0.5, paint.base, paint.edge)
    pen.polygon(
        [(-0.12, 0.02), (0.12, 0.02), (0.23, -0.16), (0.23, -0.28), (-0.23, -0.28), (-0.23, -0.16)],
        paint.base,
        paint.edge,
    )
    pen.rectangle(
        -0.23,
        -0.28,
        0.23,
        -0.19,
        shade(_GLOW, 1.5) if state == "lit" else (96, 100, 106),
        paint.edge,
        detail=True,
    )
    pen.rectangle(-0.035, 0.06, 0.035, 0.16, INK, detail=True)
    if shape == "ribbed grip":
        for k in range(4):
            y = 0.22 + 0.07 * k
            pen.rectangle(-0.15, y, 0.15, y + 0.035, paint.dark, paint.edge)
    else:
        pen.stroke([(-0.05, 0.2), (-0.05, 0.46)], 0.03, paint.light)


def switch(pen: Pen, paint: Paint, shape: str, state: str) -> None:
    """A wall switch with a pilot lamp: a rocker that is pressed at one end, or a lever thrown up or down."""
    pen.rectangle(-0.38, -0.48, 0.38, 0.48, paint.base, paint.edge)
    on = state == "on"
    pen.circle(-0.14, -0.35, 0.065, _LAMP_ON if on else _LAMP_OFF, INK, detail=True)
    if shape == "rocker":
        bright, dim = (236, 236, 232), (150, 150, 150)
        pen.rectangle(-0.31, -0.22, 0.02, 0.08, dim if on else bright, INK, detail=True)
        pen.rectangle(-0.31, 0.08, 0.02, 0.38, bright if on else dim, INK, detail=True)
        return
    pen.circle(-0.14, 0.08, 0.17, STEEL, INK, detail=True)
    y = -0.17 if on else 0.33
    pen.stroke([(-0.14, 0.08), (-0.14, y)], 0.09, INK)
    pen.circle(-0.14, y, 0.085, (225, 225, 222), INK, detail=True)
