"""The printed code: a tag with two or three characters in Pillow's built-in typeface."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFont

from clip_in_training.scratch.scenes.paint import INK
from clip_in_training.scratch.scenes.pen import Pen

_STYLES = (
    ((246, 246, 240), INK),
    ((246, 246, 240), INK),
    ((250, 218, 70), INK),
    ((36, 38, 44), (245, 245, 245)),
)
GLYPH_HEIGHT = 0.135
"""Height of a capital in units of the mat: 15 px in the plain view at 128 px."""

_ADVANCE = 0.114


@lru_cache(maxsize=256)
def _glyph(character: str, height: int, typeface: Path | None) -> Image.Image:
    """One character, its capitals ``height`` pixels high, centred on a cell of fixed width."""
    font = _font(typeface, height / 0.7)
    left, top, right, bottom = font.getbbox("H")
    font = _font(typeface, height / 0.7 * height / (bottom - top))
    _, top, _, _ = font.getbbox("H")
    left, _, right, _ = font.getbbox(character)
    full = Image.new("L", (math.ceil(right - left) + 2, round(height * 1.1)), 0)
    ImageDraw.Draw(full).text((1 - left, height * 0.05 - top), character, fill=255, font=font)
    cell = Image.new("L", (round(height * _ADVANCE / GLYPH_HEIGHT), full.height), 0)
    room = round(cell.width * 0.9)
    if full.width > room:  # M and W are condensed, as on a label printer with fixed pitch
        full = full.resize((room, full.height), Image.Resampling.BICUBIC)
    cell.paste(full, ((cell.width - full.width) // 2, 0))
    return cell


def _font(typeface: Path | None, size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size) if typeface is None else ImageFont.truetype(typeface, size)


def character_centres(code: str) -> list[tuple[float, float]]:
    """Centres of a tag's characters, in the units and the frame that `draw_tag` draws in."""
    return [(_ADVANCE * (k + 0.5 - len(code) / 2), 0.0) for k in range(len(code))]


def draw_tag(pen: Pen, code: str, jitter: Random, typeface: Path | None = None) -> None:
    """Draw the tag around the origin; units are those of the mat. ``typeface`` is a font file, or Pillow's own."""
    ground, ink = jitter.choice(_STYLES)
    width = _ADVANCE * len(code) + 0.035
    pen.rectangle(-width / 2, -0.095, width / 2, 0.095, ground, (70, 70, 74))
    if pen.shadow is not None:
        return
    height = max(24, round(pen.scale * GLYPH_HEIGHT * 1.2))
    height = -(-height // 24) * 24  # few sizes, so that glyphs are drawn once
    cells = [_glyph(character, height, typeface) for character in code]
    mask = Image.new("L", (sum(cell.width for cell in cells), cells[0].height), 0)
    for k, cell in enumerate(cells):
        mask.paste(cell, (k * cell.width, 0))
    half_w, half_h = _ADVANCE * len(code) / 2, GLYPH_HEIGHT * 1.1 / 2
    pen.stamp(mask, -half_w, -half_h, half_w, half_h, ink)
