"""Procedural backgrounds: wood, cloth, printed paper, stripes, speckles and plain gradients, each new by its seed."""

from collections.abc import Callable

import numpy as np
from PIL import Image

KINDS = ("wood", "cloth", "printed paper", "stripes", "speckles", "gradient")
"""What a background can be. Each looks so different that a person tells them apart at 96 pixels."""


def background(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """A background as float32 [size, size, 3], 0 to 255. Raises KeyError for a kind that is not in `KINDS`."""
    return _DRAW[kind](size, rng)


def _colour(rng: np.random.Generator, low: float, high: float, saturation: float) -> np.ndarray:
    """A muted colour: a grey level with a little of a hue. Things in front have stronger colours."""
    level = rng.uniform(low, high)
    tone = rng.uniform(-1, 1, 3)
    return (level + saturation * (tone - tone.mean())).astype(np.float32)


def _smooth(size: int, cells: int, rng: np.random.Generator, tall: int | None = None) -> np.ndarray:
    """Smooth noise of about unit variance, [size, size], with `cells` waves across (and `tall` down)."""
    grid = rng.standard_normal((tall or cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def _wood(size: int, rng: np.random.Generator) -> np.ndarray:
    x = np.linspace(0, 1, size, dtype=np.float32)
    bend = _smooth(size, 3, rng, 5) * 0.035
    ring = (x[:, None] + bend) * rng.uniform(7, 15)
    grain = np.abs(ring % 1 - 0.5) * 2
    fine = _smooth(size, 4, rng, size // 2) * 5
    dark = rng.uniform(18, 34)
    tone = np.array([1.0, rng.uniform(0.72, 0.8), rng.uniform(0.45, 0.6)], np.float32)
    level = rng.uniform(150, 205) - dark * grain**2 + fine
    boards = int(rng.integers(0, 4))
    for k in range(1, boards):
        edge = int(size * k / boards)
        level[edge : edge + max(1, size // 110)] -= 45
    wood = level[..., None] * tone
    return wood if rng.random() < 0.7 else wood.transpose(1, 0, 2)


def _cloth(size: int, rng: np.random.Generator) -> np.ndarray:
    period = int(rng.integers(4, 8))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    over = ((x // period + y // period) % 2).astype(np.float32)
    warp = np.sin(x * np.pi / period) ** 2
    weft = np.sin(y * np.pi / period) ** 2
    weave = over * warp + (1 - over) * weft
    colour = _colour(rng, 95, 205, 45)
    level = (
        0.68
        + 0.38 * weave
        + 0.03 * _smooth(size, 5, rng)
        + 0.03 * rng.standard_normal((size, size)).astype(np.float32)
    )
    return colour * level[..., None]


def _printed_paper(size: int, rng: np.random.Generator) -> np.ndarray:
    page = np.full((size, size), rng.uniform(225, 246), np.float32)
    pitch = int(rng.integers(max(7, size // 20), max(9, size // 11)))
    margin = int(size * rng.uniform(0.02, 0.08))
    ink = rng.uniform(60, 120)
    for top in range(int(rng.integers(2, pitch)), size - pitch // 2, pitch):
        height = max(2, pitch // 2 - 1)
        x = margin
        while x < size - margin:
            word = int(rng.integers(2, 9) * max(2, pitch // 3))
            end = min(x + word, size - margin)
            letters = rng.random((height, end - x)) < 0.55
            page[top : top + height, x:end][letters[: page[top : top + height].shape[0]]] -= 235 - ink
            x = end + max(2, pitch // 3)
        if rng.random() < 0.12:
            page[top : top + height, int(size * rng.uniform(0.3, 0.8)) :] = page[0, 0]
    return np.clip(page, 0, 255)[..., None] * np.array([1, 0.995, rng.uniform(0.93, 1)], np.float32)


def _stripes(size: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = rng.choice([0, 90, 45, 135]) + rng.uniform(-6, 6)
    along = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    wave = np.sin(along * 2 * np.pi * rng.uniform(5, 9))
    share = np.clip(wave * size / 24 + 0.5, 0, 1)[..., None]
    first = _colour(rng, 90, 225, 55)
    second = np.clip(first + rng.choice([-1, 1]) * rng.uniform(45, 75), 30, 245)
    return first * share + second * (1 - share)


def _speckles(size: int, rng: np.random.Generator) -> np.ndarray:
    noise = _smooth(size, size // 4, rng) + 0.7 * _smooth(size, size // 2, rng)
    base = _colour(rng, 90, 200, 35)
    light = np.clip(noise - 0.9, 0, 1) * 75
    dark = np.clip(-noise - 0.9, 0, 1) * 75
    return base + (light - dark)[..., None]


def _gradient(size: int, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = rng.uniform(0, 2 * np.pi)
    along = (0.5 + (x - 0.5) * np.cos(angle) * 0.7 + (y - 0.5) * np.sin(angle) * 0.7)[..., None]
    return _colour(rng, 70, 235, 50) * along + _colour(rng, 70, 235, 50) * (1 - along)


_DRAW: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "wood": _wood,
    "cloth": _cloth,
    "printed paper": _printed_paper,
    "stripes": _stripes,
    "speckles": _speckles,
    "gradient": _gradient,
}


def floor(size: int, rng: np.random.Generator) -> np.ndarray:
    """A floor under the mat of a drawn scene: any background but wood, which a mat can be made of."""
    return background(str(rng.choice([kind for kind in KINDS if kind != "wood"])), size, rng)
