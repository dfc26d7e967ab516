"""Named colours as paints: a base, its lit and shaded tones, and an edge that shows on any background."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from clip_in_training.scratch.scenes.pen import Color

_BASE: dict[str, Color] = {
    "red": (200, 38, 38),
    "orange": (240, 130, 25),
    "yellow": (240, 212, 45),
    "green": (45, 150, 62),
    "blue": (38, 88, 200),
    "purple": (132, 52, 168),
    "white": (238, 238, 234),
    "black": (42, 42, 46),
}

STEEL: Color = (172, 176, 182)
INK: Color = (25, 25, 30)


def shade(color: Color, factor: float) -> Color:
    """Darken (factor < 1) or move towards white (factor > 1: 2 is white)."""
    if factor <= 1:
        return tuple(int(c * factor) for c in color)  # type: ignore[return-value]
    return tuple(int(c + (255 - c) * (factor - 1)) for c in color)  # type: ignore[return-value]


@dataclass(frozen=True)
class Paint:
    """One colour in the tones that a part needs."""

    base: Color
    dark: Color
    light: Color
    edge: Color


def paint(name: str, jitter: Random) -> Paint:
    """The named colour with a little variation, never far enough to be taken for another."""
    base: Color = tuple(min(255, max(0, c + jitter.randint(-12, 12))) for c in _BASE[name])  # type: ignore[assignment]
    dark_object = sum(base) < 210
    edge = shade(base, 1.4) if dark_object else shade(base, 0.5)
    return Paint(base, shade(base, 0.72), shade(base, 1.35), edge)
