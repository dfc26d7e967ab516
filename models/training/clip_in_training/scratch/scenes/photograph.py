"""The layers below and above the drawing: floor and mat, then light, tint and sensor noise."""

from __future__ import annotations

import numpy as np
from PIL import Image

from clip_in_training.scratch.scenes.layout import Layout
from clip_in_training.scratch.scenes.paint import shade
from clip_in_training.scratch.scenes.pen import Color, Pen

_SURFACES: dict[str, Color] = {
    "wood": (186, 140, 92),
    "white": (228, 228, 224),
    "grey": (140, 142, 146),
    "black": (58, 58, 62),
    "blue": (96, 136, 186),
    "green": (88, 142, 104),
}
_FLOORS: tuple[Color, ...] = ((112, 104, 96), (84, 88, 96), (166, 160, 150), (64, 60, 58))


def surface_color(surface: str, layout: Layout) -> Color:
    """The colour of the mat in this picture."""
    jitter = layout.stream("surface")
    tone = jitter.randint(-8, 8)
    return tuple(c + tone + jitter.randint(-4, 4) for c in _SURFACES[surface])  # type: ignore[return-value]


def floor(layout: Layout, pixels: int) -> Image.Image:
    """The picture before the mat is drawn: a floor without meaning, of one colour or as the layout says."""
    jitter = layout.stream("floor")
    if layout.variety.floor is None:
        return Image.new("RGB", (pixels, pixels), jitter.choice(_FLOORS))
    # Drawn at a third: it is scaled down again with the rest.
    drawn = layout.variety.floor(pixels // 3, np.random.default_rng(jitter.getrandbits(63)))
    picture = Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8))
    return picture.resize((pixels, pixels), Image.Resampling.BILINEAR)


def draw_surface(pen: Pen, surface: str, color: Color, layout: Layout) -> None:
    """Draw the mat with its grain, grid or ruling; ``pen`` is in units of the mat."""
    jitter = layout.stream("grain")
    pen.rectangle(-0.04, -0.04, 1.04, 1.04, color, shade(color, 0.55))
    faint = shade(color, 0.88)
    if surface == "wood":
        for k in range(9):
            y = (k + jitter.uniform(0.2, 0.8)) / 9
            bend = jitter.uniform(-0.03, 0.03)
            pen.stroke([(0, y), (0.35, y + bend), (0.7, y - bend / 2), (1, y)], 0.008, faint)
    elif surface == "green":
        for k in range(1, 8):
            pen.stroke([(k / 8, 0), (k / 8, 1)], 0.004, shade(color, 1.2))
            pen.stroke([(0, k / 8), (1, k / 8)], 0.004, shade(color, 1.2))
    elif surface == "white":
        for k in range(1, 7):
            pen.stroke([(0, k / 7), (1, k / 7)], 0.004, (196, 206, 222))


def develop(canvas: Image.Image, size: int, light: str, layout: Layout) -> Image.Image:
    """Scale the drawing down to ``size``; add light from the given side, white balance and noise."""
    factor = canvas.width // size
    pixels = np.asarray(canvas.reduce(factor), dtype=np.float32)
    jitter = layout.stream("light")
    rng = np.random.default_rng(jitter.getrandbits(63))
    fall = jitter.uniform(0.08, 0.2) * (-1 if light == "left" else 1)
    slope = jitter.uniform(-0.06, 0.06)
    exposure = jitter.uniform(0.86, 1.06)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    gain = exposure * (1 + fall * line[None, :] + slope * line[:, None])
    warmth = jitter.uniform(-0.05, 0.05)
    balance = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    noise = rng.standard_normal((size, size), dtype=np.float32) * np.float32(jitter.uniform(0.5, 3.5))
    lit = pixels * (gain[:, :, None] * balance) + noise[:, :, None]
    return Image.fromarray(np.clip(lit + 0.5, 0, 255).astype(np.uint8))
