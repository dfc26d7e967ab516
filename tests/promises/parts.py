"""Drawn parts of a line: one scene of the demo model again and again, as a camera over a conveyor sees it.

Parts of a lot are alike: each lot has its own light and position. A part then differs a little from its lot in light,
position and angle, and has its own noise. An NG part has one of the defects of the scenes, drawn anew for each part:
`clear` as the scenes have it, or `faint`, with a twentieth to a quarter of its contrast.
"""

import io
import math
from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, NONE, NOT_APPLICABLE
from clip_in_training.scratch.scenes.drawing import draw
from clip_in_training.scratch.scenes.layout import Layout
from PIL import Image

SIDE = 360
OK, CLEAR, FAINT = "ok", "clear", "faint"
DEFECTS = ATTRIBUTES["defect"][1:]
USUAL_LIGHT = 0.97
LOT_LIGHT, LOT_MOVED = 0.02, 1.5
"""Standard deviations over lots: factor of the light, pixels."""
LIGHT, MOVED, TURNED, NOISE = 0.01, 0.7, 0.3, 2.0
"""Standard deviations within a lot: factor of the light, pixels, degrees, levels of 255."""
LEAST_CONTRAST, MOST_CONTRAST = 0.05, 0.25
"""Of a faint defect."""

PRODUCTS: dict[str, dict[str, str]] = {
    "plate": {
        "object": "plate",
        "color": "blue",
        "shape": "four holes",
        "state": NOT_APPLICABLE,
        "orientation": NOT_APPLICABLE,
        "position": "left",
        "item": "screw",
        "item_color": "black",
        "item_size": "small",
        "count": "4",
        "extra": NONE,
        "code_0": "K",
        "code_1": "7",
        "code_2": NONE,
        "surface": "grey",
        "viewpoint": "top",
        "light": "left",
    },
    "mug": {
        "object": "mug",
        "color": "white",
        "shape": "round handle",
        "state": "empty",
        "orientation": "right",
        "position": "left",
        "item": "washer",
        "item_color": "black",
        "item_size": "small",
        "count": "3",
        "extra": NONE,
        "code_0": "K",
        "code_1": "7",
        "code_2": NONE,
        "surface": "blue",
        "viewpoint": "top",
        "light": "left",
    },
}
"""What a line sees; the defect is missing here."""


@dataclass(frozen=True)
class Drawn:
    """A part: its line's product, what it is (`OK`, `CLEAR` or `FAINT`), its lot, and its number in the lot."""

    product: str
    what: str
    lot: int
    number: int
    attributes: tuple[tuple[str, str], ...] = ()
    """In what it differs from the product. An `OK` part with attributes is an NG part of a named kind."""

    def png(self, lamp: float = 1.0, turned: float = 0.0) -> bytes:
        """The photograph; `lamp` is a factor of the light, and the part is turned by so many degrees more."""
        lot = Random(f"{self.product}/{self.lot}")
        light = USUAL_LIGHT + LOT_LIGHT * lot.gauss()
        right, down = LOT_MOVED * lot.gauss(), LOT_MOVED * lot.gauss()
        own, (brighter, to_right, to_bottom) = self._own()
        light += LIGHT * brighter
        right, down = right + MOVED * to_right, down + MOVED * to_bottom
        picture = self._still(own)
        picture = _moved(picture, right, down, turned + TURNED * own.gauss())
        noise = np.random.default_rng(own.getrandbits(63)).normal(0, NOISE, (SIDE, SIDE, 1))
        lit = np.asarray(picture, np.float32) * (light * lamp) + noise
        file = io.BytesIO()
        Image.fromarray(np.clip(lit + 0.5, 0, 255).astype(np.uint8)).save(file, "PNG", compress_level=1)
        return file.getvalue()

    @property
    def defect(self) -> str:
        """The kind of defect that `png` draws on a part that is not OK."""
        return self._own()[0].choice(DEFECTS)

    def _own(self) -> tuple[Random, tuple[float, float, float]]:
        """What is random about the part, and its light and position among those of its lot."""
        own = Random(f"{self.product}/{self.what}/{self.lot}/{self.number}")
        return own, (own.gauss(), own.gauss(), own.gauss())

    def _still(self, own: Random) -> Image.Image:
        good = _good(self.product, self.attributes)
        if self.what == OK:
            return good
        attributes = {**dict(self.attributes), "defect": own.choice(DEFECTS)}
        bad = _drawn(self.product, attributes, own.getrandbits(62))
        contrast = 1.0 if self.what == CLEAR else own.uniform(LEAST_CONTRAST, MOST_CONTRAST)
        return Image.blend(good, bad, contrast)


@dataclass(frozen=True)
class _Scene(Layout):
    """A layout that stays the same but for the form of the defect."""

    defect: int = 0

    def stream(self, part: str) -> Random:
        return Random(f"{self.defect}/defect") if part == "defect" else super().stream(part)


@cache
def _good(product: str, attributes: tuple[tuple[str, str], ...]) -> Image.Image:
    return _drawn(product, dict(attributes), 0)


def _drawn(product: str, attributes: dict[str, str], form: int) -> Image.Image:
    values = {**PRODUCTS[product], "defect": NONE, **attributes}
    return draw(values, _Scene(seed=2020, defect=form), SIDE)


def _moved(picture: Image.Image, right: float, down: float, degrees: float) -> Image.Image:
    # What comes in at the border is like what is there: the picture is continued by its mirror image.
    room = SIDE // 2
    wide = Image.fromarray(np.pad(np.asarray(picture), ((room, room), (room, room), (0, 0)), "reflect"))
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    centre = SIDE / 2
    # From a pixel of the result to one of the wide picture.
    left = room + centre - right - cosine * centre + sine * centre
    top = room + centre - down - sine * centre - cosine * centre
    matrix = (cosine, -sine, left, sine, cosine, top)
    return wide.transform((SIDE, SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
