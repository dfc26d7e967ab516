"""Colours of pictures: what a person would call one, and the same picture in another colour."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

HUES: dict[str, float] = {
    "red": 0.0,
    "orange": 28.0,
    "yellow": 50.0,
    "green": 118.0,
    "turquoise": 176.0,
    "blue": 215.0,
    "purple": 276.0,
    "pink": 326.0,
}
"""Hue of each colour that a picture can be given, in degrees."""

COLOURS = tuple(HUES)

_BOUNDS = {"red": (-14, 13), "orange": (16, 38), "yellow": (42, 64), "green": (80, 152), "turquoise": (164, 188),
           "blue": (198, 238), "purple": (256, 296), "pink": (308, 344)}  # fmt: skip
"""Hues that everybody calls so; what lies between two of them has no name here."""

_SATURATED = 0.35
_SHARE = 0.6
"""At least this share of a picture must have one hue before it is called by it."""
_LIGHTEST = {"orange": 0.75, "yellow": 0.65, "red": 0.5}
"""Colours with a name of their own when they are dark: below this value (0 to 1) they are brown or olive."""


@dataclass(frozen=True)
class Tint:
    """A picture's own hue in degrees, its name if it has one, and the share of the picture that has it."""

    hue: float
    name: str | None
    share: float


def hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue in degrees, saturation and value (0 to 1) of colours from 0 to 255, [..., 3]."""
    rgb = np.asarray(rgb, np.float32) / 255
    value = rgb.max(-1)
    chroma = value - rgb.min(-1)
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    safe = np.where(chroma > 0, chroma, 1)
    hue = np.where(
        value == r, (g - b) / safe % 6, np.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4)
    )
    return hue * 60 * (chroma > 0), chroma / np.where(value > 0, value, 1), value


def tint(picture: Image.Image) -> Tint:
    """The hue that most of an RGBA picture has. Its name is None if the picture has no colour that one would say."""
    array = np.asarray(picture)
    opaque = array[..., 3] > 128
    hue, saturation, value = hsv(array[opaque][:, :3])
    strong = saturation > _SATURATED
    if strong.sum() < _SHARE * max(1, opaque.sum()):
        return Tint(0.0, None, 0.0)
    counts = np.bincount((hue[strong] // 6).astype(int) % 60, minlength=60)
    smooth = np.sum([np.roll(counts, k) for k in (-2, -1, 0, 1, 2)], axis=0)
    peak = int(smooth.argmax()) * 6 + 3
    near = strong & (np.abs((hue - peak + 180) % 360 - 180) <= 22)
    share = float(near.sum() / opaque.sum())
    middle = float((peak + np.median((hue[near] - peak + 180) % 360 - 180)) % 360)
    name = hue_name(middle) if share >= _SHARE else None
    lightest = _LIGHTEST.get(name or "", 0.45)
    if float(np.median(saturation[near])) < 0.5 or float(np.median(value[near])) < lightest:
        name = None  # beige, brown or nearly black
    return Tint(middle, name, share)


def hue_name(degrees: float) -> str | None:
    """The colour of a hue; None between two colours."""
    for name, (low, high) in _BOUNDS.items():
        if low <= (degrees + 30) % 360 - 30 <= high:
            return name
    return None


def recoloured(picture: Image.Image, own: Tint, colour: str) -> Image.Image:
    """The picture with its own hue turned to that of `colour`; other hues turn with it, grey stays grey.

    Brightness is kept, but for yellow and blue: dark yellow would look brown and light blue would look white.
    """
    array = np.asarray(picture, np.float32)
    hue, saturation, value = hsv(array[..., :3])
    turned = (hue + HUES[colour] - own.hue) % 360
    near = np.abs((hue - own.hue + 180) % 360 - 180) <= 40
    if colour in ("yellow", "orange", "pink", "turquoise"):
        value = np.where(near & (saturation > 0.2), 1 - (1 - value) * 0.55, value)
    elif colour in ("blue", "purple", "red"):
        value = np.where(near & (saturation > 0.2), value * 0.93, value)
        saturation = np.where(near & (saturation > 0.2), np.clip(saturation * 1.1, 0, 1), saturation)
    rgb = _rgb(turned, saturation, value)
    out = np.concatenate([rgb * 255, array[..., 3:]], -1)
    return Image.fromarray(np.clip(out + 0.5, 0, 255).astype(np.uint8), "RGBA")


def _rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    place = np.stack([(hue / 60 + n) % 6 for n in (5, 3, 1)], -1)
    drop = np.clip(np.minimum(place, 4 - place), 0, 1)
    return value[..., None] * (1 - saturation[..., None] * drop)
