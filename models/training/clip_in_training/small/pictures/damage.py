"""Damage of a picture: a crack, a missing piece, a stain. Each is seen at once, as a defect should be."""

from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

NONE = "none"
KINDS = ("crack", "missing piece", "stain")
"""What can be wrong with a thing; `NONE` is nothing."""

_ROOM = 0.08
"""Share of a picture that its damage covers at least."""


def damaged(picture: Image.Image, kind: str, random: Random) -> Image.Image:
    """An RGBA picture with the given damage; the same size. Raises KeyError for a kind that is not in `KINDS`."""
    return _DRAW[kind](picture, random)


def _inside(picture: Image.Image, random: Random) -> tuple[float, float]:
    """A point well inside the opaque part."""
    alpha = np.asarray(picture.getchannel("A").resize((24, 24), Image.Resampling.BOX)) > 200
    thick = alpha.copy()
    for _ in range(2):
        padded = np.pad(thick, 1)
        thinner = (
            padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        )
        if not thinner.any():
            break
        thick = thinner
    if not thick.any():
        return picture.width / 2, picture.height / 2
    rows, columns = np.nonzero(thick)
    k = random.randrange(len(rows))
    return (columns[k] + 0.5) * picture.width / 24, (rows[k] + 0.5) * picture.height / 24


def _crack(picture: Image.Image, random: Random) -> Image.Image:
    size = picture.width
    x, y = _inside(picture, random)
    angle = random.uniform(0, 360)
    path = (
        _jagged(x, y, angle, size * 0.42, random)[::-1] + _jagged(x, y, angle + 180, size * 0.42, random)[1:]
    )
    branch = _jagged(x, y, angle + random.choice([-70, 70]), size * 0.25, random)
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    width = max(2, round(size * 0.045))
    for line in (path, branch):
        draw.line(
            [(px + width * 0.6, py + width * 0.6) for px, py in line], fill=(255, 255, 255, 150), width=width
        )
    for line in (path, branch):
        draw.line(line, fill=(22, 18, 18, 255), width=width, joint="curve")
    return _onto(picture, layer)


def _jagged(x: float, y: float, angle: float, length: float, random: Random) -> list[tuple[float, float]]:
    points = [(x, y)]
    for _ in range(5):
        turn = np.radians(angle + random.uniform(-48, 48))
        x, y = x + float(np.cos(turn)) * length / 5, y + float(np.sin(turn)) * length / 5
        points.append((x, y))
    return points


def _missing_piece(picture: Image.Image, random: Random) -> Image.Image:
    """A bite at the border: its centre is where a ray from the middle leaves the picture."""
    size = picture.width
    alpha = np.asarray(picture.getchannel("A")) > 128
    x, y = _inside(picture, random)
    angle = random.uniform(0, 2 * np.pi)
    while 0 <= x < size and 0 <= y < size and alpha[int(y), int(x)]:
        x, y = x + float(np.cos(angle)) * 2, y + float(np.sin(angle)) * 2
    before = int(alpha.sum())
    radius = size * random.uniform(0.17, 0.21)
    mask = picture.getchannel("A")
    for _ in range(4):
        bitten = mask.copy()
        corners = []
        for k in range(11):
            r, turn = radius * random.uniform(0.75, 1.2), 2 * np.pi * k / 11
            corners.append((x + r * float(np.cos(turn)), y + r * float(np.sin(turn))))
        ImageDraw.Draw(bitten).polygon(corners, fill=0)
        if before - int((np.asarray(bitten) > 128).sum()) >= _ROOM * before:
            break
        radius *= 1.3
    result = picture.copy()
    result.putalpha(bitten)
    return result


def _stain(picture: Image.Image, random: Random) -> Image.Image:
    size = picture.width
    x, y = _inside(picture, random)
    blot = Image.new("L", picture.size, 0)
    draw = ImageDraw.Draw(blot)
    for _ in range(7):
        r = size * random.uniform(0.07, 0.15)
        cx, cy = x + size * random.gauss(0, 0.07), y + size * random.gauss(0, 0.07)
        draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=225)
    blot = blot.filter(ImageFilter.GaussianBlur(size * 0.012))
    colour = random.choice([(72, 48, 24), (58, 60, 30), (46, 40, 40)])
    layer = Image.new("RGBA", picture.size, (*colour, 0))
    layer.putalpha(blot)
    return _onto(picture, layer)


def _onto(picture: Image.Image, layer: Image.Image) -> Image.Image:
    """The layer over the picture, within its outline."""
    alpha = picture.getchannel("A")
    layer.putalpha(ImageChops.multiply(layer.getchannel("A"), alpha))
    result = Image.alpha_composite(picture, layer)
    result.putalpha(alpha)
    return result


_DRAW: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    "crack": _crack,
    "missing piece": _missing_piece,
    "stain": _stain,
}
