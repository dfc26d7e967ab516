"""Pictures that are worse than those of the training, with the same meaning."""

from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw

from clip_in_training.export.evaluate.drawn.shifts import blurred, noisy
from clip_in_training.scratch.scenes.generate import EditPair

Change = Callable[[EditPair, Random], list[Image.Image]]
"""Both pictures of an edit, source first."""

_OF_OBJECT = ("object", "color", "shape", "state", "orientation", "defect")
_OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_COVERED = 0.22
"""Side of the occluder in units of the picture's."""


def occluded(pair: EditPair, random: Random) -> list[Image.Image]:
    """A patch of one colour covers a twentieth of each picture: of the half that the edit leaves as it is, so the
    difference stays visible.
    """
    color = tuple(random.randrange(256) for _ in range(3))
    along, across = random.uniform(0.15, 0.85), random.uniform(0.16, 0.34)
    return [
        _covered(side.image, _centre(pair, side.attributes, along, across), color) for side in _sides(pair)
    ]


def _centre(pair: EditPair, attributes: dict[str, str], along: float, across: float) -> tuple[float, float]:
    half = attributes["position"]
    if pair.edited == "position":
        # The object and the small parts are never in a corner; what is there stays on its side of them.
        return (0.11 if along < 0.5 else 0.89), 0.11
    if pair.edited in _OF_OBJECT:
        half = _OPPOSITE[half]
    x, y = (across, along) if half in ("left", "right") else (along, across)
    return (1 - x if half == "right" else x), (1 - y if half == "bottom" else y)


def _covered(image: Image.Image, centre: tuple[float, float], color: tuple[int, ...]) -> Image.Image:
    copy = image.convert("RGB")
    size, half = copy.width, _COVERED / 2
    corners = [(size * (c + d)) for d in (-half, half) for c in centre]
    ImageDraw.Draw(copy).rectangle(corners, fill=color)
    return copy


def _sides(pair: EditPair):
    return pair.source, pair.target


def coarse(image: Image.Image, random: Random) -> Image.Image:
    """Reduced to 64 x 64 pixels and enlarged again."""
    small = image.convert("RGB").resize((64, 64), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def _each(worsen: Callable[[Image.Image, Random], Image.Image]) -> Change:
    return lambda pair, random: [worsen(side.image, random) for side in _sides(pair)]


SHIFTS: dict[str, Change] = {
    "blur, 1 px": _each(blurred),
    "noise, 16 of 255": _each(noisy),
    "occluder": occluded,
    "64 px": _each(coarse),
}
