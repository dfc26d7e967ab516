"""Surface defects, about one unit wide, around the origin."""

from __future__ import annotations

import math
from random import Random

from clip_in_training.scratch.scenes.paint import shade
from clip_in_training.scratch.scenes.pen import Color, Pen


def draw_defect(pen: Pen, kind: str, ground: Color, jitter: Random) -> None:
    """Draw the named defect (not "none") on a surface of colour ``ground``; ``jitter`` forms it."""
    bright = sum(ground) > 380
    if kind == "scratch":
        # It shows bare metal: bright on dark paint, dark on light paint.
        tone = (70, 70, 74) if bright else (236, 236, 240)
        bend = jitter.uniform(-0.06, 0.06)
        pen.stroke([(-0.6, 0.34), (bend, bend), (0.6, -0.34)], 0.07, tone)
        pen.stroke([(-0.3, 0.32), (0.35, -0.04)], 0.04, tone)
    elif kind == "crack":
        tone = (14, 12, 12) if sum(ground) > 160 else (168, 160, 152)
        steps = [-0.6, -0.36, -0.14, 0.1, 0.34, 0.6]
        line = [(jitter.uniform(0.04, 0.16) * (-1) ** k, y) for k, y in enumerate(steps)]
        pen.stroke(line, 0.085, tone)
        x, y = line[2]
        pen.stroke([(x, y), (x + 0.24, y + 0.06), (x + 0.36, y + 0.3)], 0.065, tone)
        x, y = line[3]
        pen.stroke([(x, y), (x - 0.3, y + 0.14)], 0.065, tone)
    elif kind == "dent":
        pen.circle(0, 0, 0.36, shade(ground, 0.5) if sum(ground) > 160 else (8, 8, 9), detail=True)
        pen.circle(0.07, 0.08, 0.3, shade(ground, 0.8), detail=True)
        pen.ellipse(0.14, 0.17, 0.17, 0.15, shade(ground, 1.6), detail=True)
    elif kind == "stain":
        red, green, blue = (int(0.3 * c + 0.7 * s) for c, s in zip(ground, (96, 84, 44), strict=True))
        tone = (red, green, blue)
        if sum(ground) < 160:
            tone = (118, 112, 84)
        blob = []
        for k in range(14):
            angle, radius = 2 * math.pi * k / 14, jitter.uniform(0.28, 0.48)
            blob.append((1.15 * radius * math.cos(angle), radius * math.sin(angle)))
        pen.polygon(blob, tone, detail=True)
        pen.circle(0.5, 0.3, 0.1, tone, detail=True)
    else:
        tones = ((136, 58, 20), (168, 82, 34), (100, 42, 16))
        for k in range(11):
            angle, radius = jitter.uniform(0, 2 * math.pi), 0.46 * math.sqrt(jitter.random())
            pen.circle(
                radius * math.cos(angle),
                radius * math.sin(angle),
                jitter.uniform(0.07, 0.15),
                tones[k % 3],
                detail=True,
            )
