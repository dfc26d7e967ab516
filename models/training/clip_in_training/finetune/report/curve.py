"""A curve as a small SVG, to stand in a page that loads nothing."""

import html
import math
from collections.abc import Sequence

WIDTH, HEIGHT = 360, 170
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 24, 22
POINTS = 300
"""Points drawn; of a longer curve each is the mean of its neighbours, with their range as a band."""


def curve(title: str, steps: Sequence[float], values: Sequence[float]) -> str:
    """One value over the steps. Values that are not finite are left out."""
    kept = [(s, v) for s, v in zip(steps, values, strict=True) if math.isfinite(v)]
    if not kept:
        return ""
    size = math.ceil(len(kept) / POINTS)
    groups = [kept[i : i + size] for i in range(0, len(kept), size)]
    bottom, top = _range([v for _, v in kept])
    first, last = kept[0][0], kept[-1][0]

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((step - first) / ((last - first) or 1))

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - bottom) / (top - bottom))

    middle = [(x(_mean(s for s, _ in g)), _mean(v for _, v in g)) for g in groups]
    line = " ".join(f"{px:.1f},{y(value):.1f}" for px, value in middle)
    high = [f"{px:.1f},{y(max(v for _, v in g)):.1f}" for (px, _), g in zip(middle, groups, strict=True)]
    low = [f"{px:.1f},{y(min(v for _, v in g)):.1f}" for (px, _), g in zip(middle, groups, strict=True)]
    band = f'<polygon class="band" points="{" ".join([*high, *reversed(low)])}"/>' if size > 1 else ""
    marks = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text x="{LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in (bottom, (bottom + top) / 2, top)
    )
    name = html.escape(title)
    dot = f'<circle cx="{middle[-1][0]:.1f}" cy="{y(middle[-1][1]):.1f}" r="2.5"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}, from {kept[0][1]:.4g} to '
        f'{kept[-1][1]:.4g}"><text class="title" x="{LEFT}" y="14">{name}</text>{marks}{band}'
        f'<polyline points="{line}"/>{dot}'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">step {first:g}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{last:g}</text></svg>'
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Bottom and top of the axis, apart from each other."""
    bottom, top = min(values), max(values)
    if top - bottom < 1e-9 * max(1.0, abs(top)):
        room = max(abs(top) * 0.1, 1e-6)
        return bottom - room, top + room
    return bottom, top


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)
