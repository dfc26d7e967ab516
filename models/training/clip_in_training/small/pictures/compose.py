"""Draws a composed scene: pictures with soft shadows on a background, under uneven light and with noise."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from clip_in_training.scratch.scenes.boxes import Box
from clip_in_training.scratch.scenes.layout import Layout
from clip_in_training.small.pictures import damage
from clip_in_training.small.pictures.backgrounds import background
from clip_in_training.small.pictures.colours import recoloured
from clip_in_training.small.pictures.nature import QUARTERS, by_name, own_colour, own_tint
from clip_in_training.small.pictures.scene import ALONE, COLUMN, LARGE, SMALL, Scene, Things

_SIZES = {SMALL: (0.15, 0.18), LARGE: (0.36, 0.41)}
_MEDIUM = (0.22, 0.29)
_REGIONS: dict[str, Box] = {
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
    "top": (0.0, 0.0, 1.0, 0.5),
    "bottom": (0.0, 0.5, 1.0, 1.0),
    "middle": (0.12, 0.12, 0.88, 0.88),
}


@dataclass(frozen=True)
class Drawn:
    """A picture, and for each kind of things of the scene the boxes of its pictures."""

    image: Image.Image
    boxes: list[list[Box]]


def draw(scene: Scene, layout: Layout, size: int) -> Drawn:
    """Draws a scene as RGB, `size` x `size` pixels.

    What the scene does not say comes from `layout`, a stream for each part, so that a change of one thing leaves the
    rest of the picture as it was.
    """
    rng = np.random.default_rng(layout.stream("background").getrandbits(63))
    ground = background(scene.background, size, rng)
    canvas = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    boxes = []
    for index, things in enumerate(scene.things):
        region = _region(scene, index)
        # Things keep their places when others come or go: the stream's name is where they are.
        boxes.append(_draw_things(canvas, things, region, layout, f"{region[0]:.2f},{region[1]:.2f}", size))
    return Drawn(_developed(canvas, layout), boxes)


def _region(scene: Scene, index: int) -> Box:
    if scene.arrangement == ALONE:
        return _REGIONS[scene.place]
    low, high = index / len(scene.things), (index + 1) / len(scene.things)
    return (0.0, low, 1.0, high) if scene.arrangement == COLUMN else (low, 0.0, high, 1.0)


def _cells(region: Box, count: int) -> tuple[list[tuple[float, float]], float, float]:
    """Centres of `count` places in a region, and their width and height."""
    left, top, right, bottom = region
    width, height = right - left, bottom - top
    columns = max(range(1, count + 1), key=lambda c: min(width / c, height / -(-count // c)) - 0.001 * c)
    rows = -(-count // columns)
    across, down = width / columns, height / rows
    centres = []
    for k in range(count):
        row, column = divmod(k, columns)
        short = columns - (count - row * columns) if row == rows - 1 and count % columns else 0
        centres.append((left + (column + 0.5 + short / 2) * across, top + (row + 0.5) * down))
    return centres, across, down


def _draw_things(
    canvas: Image.Image, things: Things, region: Box, layout: Layout, where: str, size: int
) -> list[Box]:
    centres, across, down = _cells(region, things.count)
    jitter = layout.stream(f"things {where}")
    low, high = _SIZES.get(things.size, _MEDIUM)
    share = jitter.uniform(low, high)
    boxes = []
    for k, (x, y) in enumerate(centres):
        own = layout.stream(f"thing {where} {k}")
        side = min(share * own.uniform(0.95, 1.05), across * 0.93, down * 0.93)
        x += own.uniform(-1, 1) * max(0.0, (across - side) * 0.3)
        y += own.uniform(-1, 1) * max(0.0, (down - side) * 0.3)
        degrees = own.uniform(-8, 8)
        picture = _coloured(things.noun.one, things.colour)
        if things.damage != damage.NONE:
            picture = damage.damaged(picture, things.damage, layout.stream(f"damage {where} {k}"))
        boxes.append(
            _placed(canvas, picture, (x, y), side, 90 * QUARTERS[things.turn] + degrees, size, own.random())
        )
    return boxes


@lru_cache(maxsize=8192)
def _coloured(one: str, colour: str | None) -> Image.Image:
    noun = by_name()[one]
    picture = noun.picture.picture()
    if colour is None or colour == own_colour(noun):
        return picture
    return recoloured(picture, own_tint(noun), colour)


def _placed(
    canvas: Image.Image,
    picture: Image.Image,
    centre: tuple[float, float],
    side: float,
    degrees: float,
    size: int,
    depth: float,
) -> Box:
    """Pastes a picture with its shadow; returns its box."""
    pixels = max(8, round(side * size))
    quarter, rest = round(degrees / 90) % 4, degrees - 90 * round(degrees / 90)
    if quarter:
        picture = picture.transpose(Image.Transpose(quarter + 1))
    small = picture.convert("RGBa").resize((pixels, pixels), Image.Resampling.BOX, reducing_gap=None)
    small = small.rotate(rest, Image.Resampling.BICUBIC, expand=True).convert("RGBA")
    seen = small.getchannel("A").getbbox() or (0, 0, pixels, pixels)
    small = small.crop(seen)
    left, top = round(centre[0] * size - small.width / 2), round(centre[1] * size - small.height / 2)
    left, top = max(0, min(left, size - small.width)), max(0, min(top, size - small.height))
    reach = 1 + depth * 0.05 * pixels
    pad = 6
    shadow = Image.new("L", (small.width + 2 * pad, small.height + 2 * pad), 0)
    shadow.paste(small.getchannel("A").point(_SHADOW), (pad, pad))
    shadow = shadow.filter(ImageFilter.BoxBlur(1 + reach / 2))
    canvas.paste((20, 18, 16), (left - pad + round(reach), top - pad + round(reach)), shadow)
    canvas.paste(small, (left, top), small)
    return (left / size, top / size, (left + small.width) / size, (top + small.height) / size)


_SHADOW = [round(a * 0.45) for a in range(256)]


def _developed(canvas: Image.Image, layout: Layout) -> Image.Image:
    """Light that falls off to one side, white balance and a little noise."""
    size = canvas.width
    jitter = layout.stream("light")
    rng = np.random.default_rng(jitter.getrandbits(63))
    line = np.linspace(-1, 1, size, dtype=np.float32)
    gain = jitter.uniform(0.85, 1.05) * (
        1 + jitter.uniform(-0.15, 0.15) * line[None, :] + jitter.uniform(-0.1, 0.1) * line[:, None]
    )
    warmth = jitter.uniform(-0.05, 0.05)
    balance = np.array([1 + warmth, 1.0, 1 - warmth], np.float32)
    lit = np.asarray(canvas, np.float32) * (gain[:, :, None] * balance)
    lit += rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(jitter.uniform(0.5, 3.5))
    return Image.fromarray(np.clip(lit + 0.5, 0, 255).astype(np.uint8))
