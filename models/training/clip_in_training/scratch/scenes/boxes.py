"""Where the parts of a drawn scene are: for what must not be hidden when pictures are varied."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from clip_in_training.scratch.scenes.attributes import NONE, code_of
from clip_in_training.scratch.scenes.camera import camera
from clip_in_training.scratch.scenes.drawing import ITEM_SIZES
from clip_in_training.scratch.scenes.layout import OBJECT_SIZE, Layout, places
from clip_in_training.scratch.scenes.pen import Pen

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in units of the picture's side."""

EVERYTHING = "everything"
"""In the place of an edited attribute: all parts."""

_TAG = (0.21, 0.105)
"""Half the width and half the height of a tag with three characters, slightly turned, in units of the mat."""
_EXTRA = 0.17
"""Half the diagonal of an extra."""

_PARTS = {
    "object": ("object",),
    "color": ("object",),
    "shape": ("object",),
    "state": ("object",),
    "orientation": ("object",),
    "defect": ("object",),
    "item": ("items",),
    "count": ("items",),
    "item_color": ("items",),
    "item_size": ("items",),
    "extra": ("extra",),
    "code": ("tag",),
    "tag": ("tag",),
    "surface": (),
    "light": (),
    "viewpoint": (),
}
"""The parts that show an attribute; any other attribute (position) is about all of them."""


def part_boxes(attributes: dict[str, str], layout: Layout) -> dict[str, list[Box]]:
    """The boxes of "object", "items", "extra" and "tag", as far as the scene has them."""
    nowhere = Image.new("RGB", (1, 1))
    mat = Pen(nowhere, camera(attributes["viewpoint"], layout.stream("camera"), 1))
    where = places(attributes["position"], layout)
    item = ITEM_SIZES[attributes["item_size"]] * 0.75
    boxes = {
        "object": [_box(mat, *where.main, OBJECT_SIZE * 0.58, OBJECT_SIZE * 0.58)],
        "items": [_box(mat, x, y, item, item) for x, y in where.items[: int(attributes["count"])]],
    }
    if attributes["extra"] != NONE:
        boxes["extra"] = [_box(mat, *where.extra, _EXTRA, _EXTRA)]
    if code_of(attributes):
        boxes["tag"] = [_box(mat, *where.tag, *_TAG)]
    return boxes


def kept_boxes(edited: str, attributes: dict[str, str], layout: Layout) -> list[Box]:
    """The boxes of what an edit of `edited` changes (none for surface, light and viewpoint), and of the tag.

    Long captions spell the tag's code, so it is always kept.
    """
    boxes = part_boxes(attributes, layout)
    parts = {*_PARTS.get(edited, boxes), "tag"}
    return [box for part, found in boxes.items() if part in parts for box in found]


def changed_boxes(edited: str, attributes: dict[str, str], layout: Layout) -> list[Box]:
    """The boxes of the parts that an edit of `edited` changes; none for surface, light and viewpoint."""
    boxes = part_boxes(attributes, layout)
    parts = _PARTS.get(edited, tuple(boxes))
    return [box for part, found in boxes.items() if part in parts for box in found]


def _box(mat: Pen, x: float, y: float, across: float, down: float) -> Box:
    corners = np.array(mat.pixels([(x + a * across, y + b * down) for a in (-1, 1) for b in (-1, 1)]))
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    if not all(math.isfinite(value) for value in (left, top, right, bottom)):
        return (0.0, 0.0, 1.0, 1.0)
    return (max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom))
