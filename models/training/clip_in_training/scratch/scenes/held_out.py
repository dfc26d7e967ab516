"""What a model is never shown in training, so that it can be asked about it afterwards: one table for everything.

Scenes of `OBJECT`, on `SURFACE`, or in the cells of `COLORS` and `DEFECTS` are not drawn; `SYNONYMS` and `FAMILY` are
not used in captions. The recipe's ``data.held_out`` asks for that.
"""

from __future__ import annotations

OBJECT = "mug"
"""An object family. It shares its states with the bottle, and directions and defects with others."""

SURFACE = "blue"
"""A surface. Its colour is that of some objects and small parts, so the word is known."""

COLORS: dict[str, str] = {
    "bolt": "purple",
    "gear": "red",
    "plate": "yellow",
    "bottle": "orange",
    "box": "white",
    "gauge": "green",
    "chip": "blue",
    "plug": "black",
    "padlock": "red",
    "torch": "green",
    "switch": "orange",
}
"""Object -> its colour that is never shown. Each colour is shown on nine other objects or more."""

DEFECTS: dict[str, str] = {
    "bolt": "dent",
    "gear": "rust",
    "plate": "crack",
    "bottle": "stain",
    "box": "scratch",
    "gauge": "crack",
    "chip": "scratch",
    "plug": "rust",
    "padlock": "stain",
    "torch": "crack",
    "switch": "dent",
}
"""Object -> its defect that is never shown."""

FAMILY = "which"
"""The family of templates for short captions that is never used: relative clauses."""

SYNONYMS: dict[str, dict[str, tuple[str, ...]]] = {
    "object": {
        "bolt": ("machine bolt", "fixing bolt"),
        "gear": ("cog",),
        "plate": ("flat bracket", "base plate"),
        "bottle": ("flask",),
        "box": ("package", "parcel"),
        "gauge": ("meter",),
        "chip": ("integrated circuit", "semiconductor"),
        "plug": ("electrical plug", "mains plug"),
        "padlock": ("hanging lock", "security lock"),
        "torch": ("electric torch", "pocket light"),
        "switch": ("electric switch", "light switch"),
    },
    "state": {
        "full": ("-brimming",),
        "empty": ("-drained",),
        "locked": ("-secured",),
        "lit": ("-shining",),
    },
    "defect": {
        "none": ("-intact", "-pristine"),
        "scratch": ("-scraped", "-scuffed"),
        "crack": ("-fractured", "-fissured"),
        "dent": ("-dinged", "-bashed-in"),
        "stain": ("-smudged", "-smeared"),
        "rust": ("-oxidised",),
    },
    "position": {
        "left": ("towards the left edge",),
        "right": ("towards the right edge",),
        "top": ("towards the upper edge",),
        "bottom": ("towards the lower edge",),
    },
    "item_size": {"small": ("little", "miniature"), "large": ("sizeable", "oversized")},
    "extra": {
        "none": ("no extra thing",),
        "pencil": ("a writing tool", "a drawing pencil"),
        "coin": ("a piece of money", "a penny"),
        "ruler": ("a measuring stick",),
        "battery": ("a power cell",),
        "warning sign": ("a hazard symbol", "a caution sign"),
        "leaf": ("a piece of foliage",),
    },
    "surface": {
        "wood": ("on timber", "on a plank"),
        "white": ("on a page of white paper",),
        "grey": ("on a grey underlay",),
        "black": ("on a black underlay",),
        "green": ("on a green underlay",),
    },
    "viewpoint": {
        "top": ("from a bird's-eye view",),
        "front": ("from an oblique frontal angle",),
        "left": ("from an oblique angle on the left",),
        "right": ("from an oblique angle on the right",),
        "close": ("at close range", "from very near"),
        "far": ("at long range", "from a great distance"),
    },
    "light": {
        "left": ("illuminated from the left",),
        "right": ("illuminated from the right",),
    },
}
"""Attribute -> value -> phrases that are never used. Evaluation uses them wherever there is one. As in the
vocabulary, those with a leading "-" stand before the noun.
"""

KINDS = ("object", "surface", "color", "defect")
"""What can be held out about a scene: its object, its surface, its object in this colour or with this defect."""


def kinds(attributes: dict[str, str]) -> set[str]:
    """Which of `KINDS` are held out in this scene; none in a scene that training may show."""
    found = set()
    kind = attributes["object"]
    if kind == OBJECT:
        found.add("object")
    if attributes["surface"] == SURFACE:
        found.add("surface")
    if COLORS.get(kind) == attributes["color"]:
        found.add("color")
    if DEFECTS.get(kind) == attributes["defect"]:
        found.add("defect")
    return found
