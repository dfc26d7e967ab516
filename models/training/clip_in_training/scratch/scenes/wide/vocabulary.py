"""Phrases of each attribute's values in the wide language: the narrow ones of ``words``, and more than as many again.

A phrase with a leading "-" is an adjective before the noun; others follow it. No phrase may say more than its value:
tests compare every caption with its scene, word for word.
"""

from __future__ import annotations

from clip_in_training.scratch.scenes import held_out, words

Table = dict[str, tuple[str, ...]]

_OBJECT: Table = {
    "bolt": ("threaded bolt",),
    "gear": ("gear wheel", "toothed wheel"),
    "plate": ("mounting bracket", "flat plate"),
    "bottle": ("drinking bottle", "water bottle"),
    "box": ("case", "packing box"),
    "mug": ("coffee mug", "drinking cup"),
    "gauge": ("dial indicator", "measuring gauge"),
    "chip": ("computer chip", "electronic chip"),
    "plug": ("mains connector", "plug connector"),
    "padlock": ("lock", "shackle lock"),
    "torch": ("hand torch", "hand lamp"),
    "switch": ("electrical switch", "power switch"),
}

_COLOR: Table = {
    "red": ("red-coloured", "red-colored"),
    "orange": ("orange-coloured", "orange-colored"),
    "yellow": ("yellow-coloured", "yellow-colored"),
    "green": ("green-coloured", "green-colored"),
    "blue": ("blue-coloured", "blue-colored"),
    "purple": ("purple-coloured", "violet-colored"),
    "white": ("white-coloured", "white-colored"),
    "black": ("black-coloured", "black-colored"),
}

_SHAPE: Table = {
    "hex head": ("with a six-sided head", "with a hexagon head", "-hex-headed", "-hexagon-head"),
    "round head": ("with a rounded head", "with a dome head", "-round-headed", "-dome-headed"),
    "flat head": ("with a flush head", "-flat-headed", "-countersunk"),
    "coarse teeth": ("with big teeth", "with few coarse teeth", "-large-toothed", "-big-toothed"),
    "fine teeth": ("with small teeth", "with many fine teeth", "-small-toothed"),
    "spokes": ("having spokes", "built with spokes", "-spoke-type"),
    "two holes": ("with 2 holes", "with two drilled holes", "-two-holed", "-2-hole"),
    "four holes": ("with 4 holes", "with four drilled holes", "-four-holed", "-4-hole"),
    "slot": ("with an elongated slot", "with a single slot", "-single-slot"),
    "wide neck": ("with a broad neck", "-broad-necked", "-wide-neck"),
    "narrow neck": ("with a thin neck", "-slim-necked", "-narrow-neck"),
    "square box": ("of square format", "with a square outline", "-square-shaped"),
    "long box": ("of elongated shape", "with a long outline", "-elongated"),
    "round handle": ("with a rounded handle", "-round-handled"),
    "square handle": ("with a rectangular handle", "-square-handled"),
    "round dial": ("with a circular dial", "with a round face", "-circular", "-round-faced"),
    "square dial": ("with a square face", "-square-faced", "-square-shaped"),
    "pins on two sides": ("with pins along two sides", "with legs on two sides", "-two-sided"),
    "pins on four sides": ("with pins along four sides", "with legs on four sides", "-four-sided"),
    "two prongs": ("with two pins", "with 2 prongs", "-2-pin", "-two-prong"),
    "three prongs": ("with three pins", "with 3 prongs", "-3-pin", "-three-prong"),
    "round body": ("with a circular body", "with a rounded body", "-round-bodied"),
    "square body": ("with a boxy body", "with an angular body", "-square-bodied"),
    "ribbed grip": ("with a grooved grip", "with ribs on its grip", "-ribbed-grip"),
    "smooth grip": ("with a plain grip", "with no ribs on its grip", "-smooth-grip"),
    "rocker": ("with a rocker plate", "-rocker-type", "-rocker-style"),
    "toggle": ("with a toggle", "with a small lever", "-lever-type", "-toggle-type"),
}

_STATE: Table = {
    "full": ("filled to the top", "with a full filling", "-completely full"),
    "half full": ("filled halfway", "filled to the middle", "-half-empty"),
    "empty": ("without contents", "with nothing in it", "-emptied"),
    "open": ("with open flaps", "standing open", "-wide open"),
    "closed": ("with closed flaps", "with its lid shut", "-closed-up"),
    "low": ("showing a low value", "with its needle low", "-low-reading"),
    "middle": ("showing a medium value", "with its needle halfway", "-mid-reading"),
    "high": ("showing a high value", "with its needle high", "-high-reading"),
    "locked": ("with its shackle closed", "in the locked state", "-shut"),
    "unlocked": ("with its shackle open", "in the unlocked state", "-opened"),
    "lit": ("that is on", "switched on", "giving light", "-glowing"),
    "unlit": ("that is off", "switched off", "giving no light"),
    "on": ("set to on", "switched on", "in its on state"),
    "off": ("set to off", "switched off", "in its off state"),
}

_DEFECT: Table = {
    "none": (
        "-unblemished",
        "-faultless",
        "-defect-free",
        "-good",
        "-perfect",
        "without damage",
        "in good condition",
        "with no defect",
        "free of defects",
    ),
    "scratch": ("-scratched-up", "with a scratch on it", "with a scratch mark", "bearing a scratch"),
    "crack": ("-cracked-open", "with a crack in it", "with a crack line", "showing a crack"),
    "dent": ("-dented-in", "with a dent in it", "with a dented spot", "showing a dent"),
    "stain": ("-soiled", "-dirty", "with a stain on it", "with a dirty spot", "showing a stain"),
    "rust": ("-rusted", "-corroded", "with rust on it", "with some corrosion", "showing rust"),
}

DAMAGED = ("-damaged", "-defective", "-faulty", "with a defect", "with some damage", "showing damage")
"""Of every defect: said where its kind does not matter."""

_DIRECTION: Table = {
    "up": ("upward", "to the top", "towards the top"),
    "right": ("rightwards", "towards the right", "to the right side"),
    "down": ("downward", "to the bottom", "towards the bottom"),
    "left": ("leftwards", "towards the left", "to the left side"),
}

_POSITION: Table = {
    "left": ("on the left side", "on the left-hand side", "in the left part", "at the left"),
    "right": ("on the right side", "on the right-hand side", "in the right part", "at the right"),
    "top": ("in the top half", "in the upper part", "near the top", "at the upper end"),
    "bottom": ("in the bottom half", "in the lower part", "near the bottom", "at the lower end"),
}

ITEM: dict[str, tuple[tuple[str, str], ...]] = {
    "washer": (("washer", "washers"), ("flat washer", "flat washers"), ("ring washer", "ring washers")),
    "nut": (("nut", "nuts"), ("hex nut", "hex nuts"), ("hexagon nut", "hexagon nuts")),
    "screw": (("screw", "screws"), ("pointed screw", "pointed screws"), ("short screw", "short screws")),
    "ball": (("ball", "balls"), ("round ball", "round balls"), ("sphere", "spheres")),
    "spring": (("spring", "springs"), ("coil spring", "coil springs"), ("coil", "coils")),
    "tile": (("tile", "tiles"), ("square tile", "square tiles"), ("flat tile", "flat tiles")),
}
"""Small parts: (one, several) of each name."""

_ITEM_SIZE: Table = {"small": ("small-sized", "very small"), "large": ("large-sized", "very large")}

_COUNT: Table = {
    "1": ("one single", "exactly one"),
    "2": ("a pair of", "exactly two"),
    "3": ("exactly three",),
    "4": ("exactly four",),
    "5": ("exactly five",),
    "6": ("half a dozen", "exactly six"),
}

_EXTRA: Table = {
    "none": ("no further object", "no additional object", "nothing more"),
    "pencil": ("one pencil", "a yellow pencil"),
    "coin": ("one coin", "a round coin"),
    "ruler": ("one ruler", "a measuring ruler"),
    "battery": ("one battery", "a battery cell"),
    "warning sign": ("one warning sign", "a warning triangle", "a triangular warning sign"),
    "leaf": ("one leaf", "a plant leaf"),
}

_SURFACE: Table = {
    "wood": ("on a wood board", "on a wooden table", "on a wood surface"),
    "white": ("on a sheet of white paper", "on lined white paper", "on a white ground"),
    "grey": ("on a gray mat", "on a gray surface", "on a grey ground"),
    "black": ("on a black pad", "on a black ground", "on a black base"),
    "blue": ("on a blue pad", "on a blue ground", "on a blue base"),
    "green": ("on a green pad", "on a green ground", "on a green mat with a grid"),
}

_VIEWPOINT: Table = {
    "top": ("from above", "seen from the top", "looking straight down"),
    "front": ("from the front", "seen from the front", "viewed from the front at an angle"),
    "left": ("from the left side", "viewed from the left", "seen from the left at an angle"),
    "right": ("from the right side", "viewed from the right", "seen from the right at an angle"),
    "close": ("up close", "shot from nearby", "in a close view"),
    "far": ("from afar", "from a distance", "in a long shot"),
}

_LIGHT: Table = {
    "left": (
        "with light coming from the left",
        "with the lamp on the left",
        "lit from the left side",
        "with shadows falling to the right",
    ),
    "right": (
        "with light coming from the right",
        "with the lamp on the right",
        "lit from the right side",
        "with shadows falling to the left",
    ),
}

NO_TAG = (
    "without a tag",
    "without a label",
    "with no tag",
    "with no label",
    "with no code",
    "without a code",
)
LABELLED = (
    "marked",
    "labelled",
    "labeled",
    "tagged",
    "with a tag reading",
    "with the code",
    "with the label",
    "bearing the code",
    "with a tag that says",
    "with tag",
    "with label",
    "coded",
)
"""In front of a code."""


def _state(narrow: Table) -> Table:
    """The narrow table marks what follows the noun; all others what stands before it."""
    return {
        value: tuple(phrase[1:] if phrase.startswith("=") else f"-{phrase}" for phrase in phrases)
        for value, phrases in narrow.items()
    }


def _joined(narrow: Table, more: Table) -> Table:
    return {
        value: tuple(dict.fromkeys((*phrases, *more.get(value, ())))) for value, phrases in narrow.items()
    }


SEEN: dict[str, Table] = {
    "object": _joined(words.OBJECT, _OBJECT),
    "color": _joined(words.COLOR, _COLOR),
    "shape": _joined(words.SHAPE, _SHAPE),
    "state": _joined(_state(words.STATE), _STATE),
    "orientation": _joined(words.DIRECTION, _DIRECTION),
    "position": _joined(words.POSITION, _POSITION),
    "defect": _joined(words.DEFECT, _DEFECT),
    "item_color": _joined(words.COLOR, _COLOR),
    "item_size": _joined(words.ITEM_SIZE, _ITEM_SIZE),
    "count": _joined(words.COUNT, _COUNT),
    "extra": _joined(words.EXTRA, _EXTRA),
    "surface": _joined(words.SURFACE, _SURFACE),
    "viewpoint": _joined(words.VIEWPOINT, _VIEWPOINT),
    "light": _joined(words.LIT, _LIGHT),
}
"""Attribute -> value -> phrases that training may use. Small parts are in `ITEM`; codes are written as they are."""

UNSEEN: dict[str, Table] = {
    name: {value: held_out.SYNONYMS.get(name, {}).get(value, phrases) for value, phrases in table.items()}
    for name, table in SEEN.items()
}
"""The same with the held-out synonyms in the place of the others, wherever there are some."""
