"""The vocabulary of a scene: its visible attributes, and which edit category changes which of them.

A scene is a flat dict from attribute name to one value of ``ATTRIBUTES``. All of it is visible in the picture, so
it also serves as a set of classification labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

CATEGORIES = [
    "orientation",
    "presence",
    "state",
    "count",
    "position",
    "color",
    "structure",
    "text",
    "viewpoint",
]
"""The nine MMVP categories, in the order in which edits are interleaved."""

OTHER = "other"
"""What captions state and no edit of the nine categories changes: one thing in the place of another, where the light
comes from, a tag or none, wood or a mat. It is no category of MMVP, so tables of the nine do not count it.
"""

ALL_CATEGORIES = [*CATEGORIES, OTHER]
"""With edits of all of these, everything that a caption can state changes in some edit."""

NOT_APPLICABLE = "n/a"
NONE = "none"

COLORS = ["red", "orange", "yellow", "green", "blue", "purple", "white", "black"]
DIRECTIONS = ["up", "right", "down", "left"]
# I, O and Q are left out: next to 1 and 0 they are ambiguous in a sans-serif face at any resolution.
CODE_CHARACTERS = list("0123456789ABCDEFGHJKLMNPRSTUVWXYZ")


@dataclass(frozen=True)
class Family:
    """The variations of a kind of object. Without ``states`` or ``directional`` it has no such variation."""

    shapes: tuple[str, ...]
    states: tuple[str, ...] = ()
    directional: bool = False


FAMILIES: dict[str, Family] = {
    "bolt": Family(("hex head", "round head", "flat head"), directional=True),
    "gear": Family(("coarse teeth", "fine teeth", "spokes")),
    "plate": Family(("two holes", "four holes", "slot")),
    "bottle": Family(("wide neck", "narrow neck"), ("full", "half full", "empty"), directional=True),
    "box": Family(("square box", "long box"), ("open", "closed")),
    "mug": Family(("round handle", "square handle"), ("full", "empty"), directional=True),
    "gauge": Family(("round dial", "square dial"), ("low", "middle", "high")),
    "chip": Family(("pins on two sides", "pins on four sides"), directional=True),
    "plug": Family(("two prongs", "three prongs"), directional=True),
    "padlock": Family(("round body", "square body"), ("locked", "unlocked"), directional=True),
    "torch": Family(("ribbed grip", "smooth grip"), ("lit", "unlit"), directional=True),
    "switch": Family(("rocker", "toggle"), ("on", "off")),
}


def _union(groups: list[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(value for group in groups for value in group))


ATTRIBUTES: dict[str, list[str]] = {
    "object": list(FAMILIES),
    "color": COLORS,  # of the object
    "shape": _union([family.shapes for family in FAMILIES.values()]),
    "state": [NOT_APPLICABLE, *_union([family.states for family in FAMILIES.values()])],
    "orientation": [NOT_APPLICABLE, *DIRECTIONS],  # where the object's tip, cap, handle or notch points
    "position": ["left", "right", "top", "bottom"],  # half of the mat in which the object lies
    "defect": [NONE, "scratch", "crack", "dent", "stain", "rust"],
    "item": ["washer", "nut", "screw", "ball", "spring", "tile"],  # the small parts opposite the object
    "item_color": COLORS,
    "item_size": ["small", "large"],
    "count": ["1", "2", "3", "4", "5", "6"],  # of the small parts
    "extra": [NONE, "pencil", "coin", "ruler", "battery", "warning sign", "leaf"],
    "code_0": [NONE, *CODE_CHARACTERS],  # all three "none": no tag; only the third: a code of two characters
    "code_1": [NONE, *CODE_CHARACTERS],
    "code_2": [NONE, *CODE_CHARACTERS],
    "surface": ["wood", "white", "grey", "black", "blue", "green"],
    "viewpoint": ["top", "front", "left", "right", "close", "far"],
    "light": ["left", "right"],  # where it comes from; shadows fall to the other side
}
"""Every attribute and its possible values; a scene holds exactly these keys."""

CODE = ("code_0", "code_1", "code_2")

# Weights: how often each attribute of a category is the one that changes.
EDITED: dict[str, dict[str, float]] = {
    "orientation": {"orientation": 1.0},
    "presence": {"extra": 1.0},
    "state": {"state": 1.0},
    "count": {"count": 1.0},
    "position": {"position": 1.0},
    "color": {"color": 0.45, "item_color": 0.35, "surface": 0.2},
    "structure": {"defect": 0.45, "shape": 0.4, "item_size": 0.15},
    "text": {"code": 1.0},
    "viewpoint": {"viewpoint": 1.0},
    OTHER: {"extra": 0.25, "light": 0.25, "item": 0.15, "object": 0.1, "tag": 0.15, "surface": 0.1},
}
"""Category -> attribute -> share of its edits. "code" is the group ``CODE``: one character of it changes. "tag"
is the same group: a whole code is there or not.
"""


def code_of(attributes: dict[str, str]) -> str:
    """The printed code, or "" where the scene has no tag."""
    return "".join(attributes[name] for name in CODE if attributes[name] != NONE)


def sample_attributes(random: Random, edited: str | None = None) -> dict[str, str]:
    """Draw a scene in which ``edited`` (an attribute, "code", "tag" or None) applies and so can be changed."""
    kinds = list(FAMILIES)
    if edited == "state":
        kinds = [kind for kind in kinds if FAMILIES[kind].states]
    elif edited == "orientation":
        kinds = [kind for kind in kinds if FAMILIES[kind].directional]
    kind = random.choice(kinds)
    family = FAMILIES[kind]
    if edited in ("code", "tag") or random.random() < 0.65:
        length = random.choice((2, 3))
        code = [random.choice(CODE_CHARACTERS) for _ in range(length)] + [NONE] * (3 - length)
    else:
        code = [NONE] * 3
    values = {name: random.choice(vocabulary) for name, vocabulary in ATTRIBUTES.items()}
    values.update(
        object=kind,
        shape=random.choice(family.shapes),
        state=random.choice(family.states) if family.states else NOT_APPLICABLE,
        orientation=random.choice(DIRECTIONS) if family.directional else NOT_APPLICABLE,
        defect=NONE if random.random() < 0.45 else random.choice(ATTRIBUTES["defect"][1:]),
        extra=NONE if random.random() < 0.4 else random.choice(ATTRIBUTES["extra"][1:]),
        code_0=code[0],
        code_1=code[1],
        code_2=code[2],
    )
    return values
