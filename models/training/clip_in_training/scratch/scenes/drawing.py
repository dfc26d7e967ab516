"""Draws a picture from attributes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from PIL import Image

from clip_in_training.scratch.scenes.attributes import DIRECTIONS, NONE, code_of
from clip_in_training.scratch.scenes.camera import camera
from clip_in_training.scratch.scenes.layout import OBJECT_SIZE, Layout, Places, places
from clip_in_training.scratch.scenes.paint import Paint, paint, shade
from clip_in_training.scratch.scenes.parts import containers, devices, hardware
from clip_in_training.scratch.scenes.parts.defects import draw_defect
from clip_in_training.scratch.scenes.parts.extras import draw_extra
from clip_in_training.scratch.scenes.parts.items import draw_item
from clip_in_training.scratch.scenes.parts.tag import character_centres, draw_tag
from clip_in_training.scratch.scenes.pen import Color, Pen
from clip_in_training.scratch.scenes.photograph import develop, draw_surface, floor, surface_color

SUPERSAMPLING = 3
ITEM_SIZES = {"small": 0.088, "large": 0.135}

# How each object is drawn, and where a defect appears on it: x, y and width in the object's frame.
_OBJECTS: dict[str, tuple[Callable[[Pen, Paint, str, str], None], tuple[float, float, float]]] = {
    "bolt": (hardware.bolt, (0.0, -0.06, 0.3)),
    "gear": (hardware.gear, (0.0, 0.29, 0.26)),
    "plate": (hardware.plate, (0.0, 0.06, 0.34)),
    "plug": (hardware.plug, (0.0, 0.06, 0.3)),
    "bottle": (containers.bottle, (0.04, 0.14, 0.34)),
    "box": (containers.box, (0.0, 0.0, 0.0)),
    "mug": (containers.mug, (0.0, 0.43, 0.25)),
    "gauge": (devices.gauge, (0.0, 0.21, 0.27)),
    "chip": (devices.chip, (0.08, 0.12, 0.34)),
    "padlock": (devices.padlock, (0.17, 0.34, 0.28)),
    "torch": (devices.torch, (0.0, -0.08, 0.28)),
    "switch": (devices.switch, (0.21, 0.1, 0.3)),
}


def _defect_site(kind: str, shape: str, state: str, tones: Paint) -> tuple[tuple[float, float, float], Color]:
    """Where a defect appears on the object, and the colour of the surface there."""
    site = _OBJECTS[kind][1]
    if kind == "box":
        # On the lower flap of an open box; on the lower half of a closed lid.
        if state == "open":
            return (0.08, (0.29 if shape == "square box" else 0.17) + 0.1, 0.22), tones.light
        return (0.18, 0.23 if shape == "square box" else 0.135, 0.26), tones.base
    if kind == "bottle" and state != "full":
        return (site if state == "empty" else (0.03, 0.06, 0.26)), containers.GLASS
    if kind == "gauge":
        return site, devices.FACE
    return site, tones.base


def draw(attributes: dict[str, str], layout: Layout, size: int) -> Image.Image:
    """Draw the scene as an RGB picture of ``size`` x ``size`` pixels.

    The drawing is in units of the mat, so any size shows the same picture. 128 is the smallest size at which every
    attribute can be recognised.
    """
    pixels = size * SUPERSAMPLING
    image = floor(layout, pixels)
    mat = Pen(image, camera(attributes["viewpoint"], layout.stream("camera"), pixels))
    ground = surface_color(attributes["surface"], layout)
    draw_surface(mat, attributes["surface"], ground, layout)
    # Light from the left casts shadows to the right and a little down.
    offset = 0.028 if attributes["light"] == "left" else -0.028
    shadow = Pen(image, mat.placed(offset, 0.018).matrix, shade(ground, 0.62))
    where = places(attributes["position"], layout)
    for pen in (shadow, mat):
        _draw_object(pen, attributes, layout, where.main)
        tones = paint(attributes["item_color"], layout.stream("item color"))
        jitter = layout.stream("items")
        for x, y in where.items[: int(attributes["count"])]:
            part = pen.placed(x, y, ITEM_SIZES[attributes["item_size"]], jitter.uniform(0, 360))
            draw_item(part, attributes["item"], tones, shade(ground, 0.8))
        if attributes["extra"] != NONE:
            draw_extra(pen.placed(*where.extra, 0.27, where.extra_degrees), attributes["extra"])
        code = code_of(attributes)
        if code:
            jitter = layout.stream("tag")
            draw_tag(_tag_frame(pen, where, jitter), code, jitter, _typeface(layout))
    return develop(image, size, attributes["light"], layout)


def code_places(attributes: dict[str, str], layout: Layout) -> list[tuple[float, float]]:
    """Positions of the code's characters in the picture: (x, y) in units of its side; empty without a code.

    These are the points that a person who labels a picture would click on; training uses them as targets.
    """
    code = code_of(attributes)
    if not code:
        return []
    nowhere = Image.new("RGB", (1, 1))
    mat = Pen(nowhere, camera(attributes["viewpoint"], layout.stream("camera"), 1))
    frame = _tag_frame(mat, places(attributes["position"], layout), layout.stream("tag"))
    return frame.pixels(character_centres(code))


def _typeface(layout: Layout) -> Path | None:
    """The font file to print this picture's code with."""
    typefaces = layout.variety.typefaces
    return layout.stream("typeface").choice(typefaces) if typefaces else None


def _tag_frame(mat: Pen, where: Places, jitter: Random) -> Pen:
    return mat.placed(*where.tag, 1.0, jitter.uniform(-6, 6))


def _draw_object(pen: Pen, attributes: dict[str, str], layout: Layout, centre: tuple[float, float]) -> None:
    jitter = layout.stream("object")
    turn = jitter.uniform(-8, 8)
    if attributes["orientation"] in DIRECTIONS:
        turn += 90 * DIRECTIONS.index(attributes["orientation"])
    own = pen.placed(*centre, OBJECT_SIZE * jitter.uniform(0.93, 1.0), turn)
    tones = paint(attributes["color"], jitter)
    kind, shape, state = attributes["object"], attributes["shape"], attributes["state"]
    _OBJECTS[kind][0](own, tones, shape, state)
    if attributes["defect"] != NONE and pen.shadow is None:
        (x, y, width), ground = _defect_site(kind, shape, state, tones)
        jitter = layout.stream("defect")
        site = own.placed(x, y, width * jitter.uniform(0.95, 1.1), jitter.uniform(-15, 15))
        draw_defect(site, attributes["defect"], ground, jitter)
