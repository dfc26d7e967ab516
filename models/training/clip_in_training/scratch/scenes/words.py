"""The English words of each attribute value: the tables for captions and instructions."""

from __future__ import annotations

from random import Random

from clip_in_training.scratch.scenes.attributes import code_of

OBJECT: dict[str, tuple[str, ...]] = {
    "bolt": ("bolt",),
    "gear": ("gear", "cogwheel"),
    "plate": ("plate", "mounting plate"),
    "bottle": ("bottle",),
    "box": ("box", "carton"),
    "mug": ("mug", "cup"),
    "gauge": ("gauge", "dial gauge"),
    "chip": ("chip", "microchip"),
    "plug": ("plug", "power plug"),
    "padlock": ("padlock",),
    "torch": ("torch", "flashlight"),
    "switch": ("switch", "wall switch"),
}

COLOR: dict[str, tuple[str, ...]] = {
    name: (name,) for name in ("red", "orange", "yellow", "green", "blue", "white", "black")
} | {"purple": ("purple", "violet")}

# A phrase to put after the noun ("with ..."), or an adjective before it (marked by a leading "-").
SHAPE: dict[str, tuple[str, ...]] = {
    "hex head": ("with a hex head", "with a hexagonal head", "-hex-head"),
    "round head": ("with a round head", "with a domed head", "-round-head"),
    "flat head": ("with a flat head", "with a countersunk head", "-flat-head"),
    "coarse teeth": ("with coarse teeth", "with a few large teeth", "-coarse-toothed"),
    "fine teeth": ("with fine teeth", "with many small teeth", "-fine-toothed"),
    "spokes": ("with spokes", "with open spokes", "-spoked"),
    "two holes": ("with two holes", "with a pair of holes", "-two-hole"),
    "four holes": ("with four holes", "with a hole in each corner", "-four-hole"),
    "slot": ("with a slot", "with one long slot", "-slotted"),
    "wide neck": ("with a wide neck", "-wide-necked"),
    "narrow neck": ("with a narrow neck", "with a slim neck", "-narrow-necked"),
    "square box": ("of square shape", "-square"),
    "long box": ("of oblong shape", "-long", "-oblong"),
    "round handle": ("with a round handle", "with a curved handle"),
    "square handle": ("with a square handle", "with an angular handle"),
    "round dial": ("with a round dial", "-round"),
    "square dial": ("with a square dial", "-square"),
    "pins on two sides": ("with pins on two sides", "with two rows of pins"),
    "pins on four sides": ("with pins on four sides", "with pins on all sides"),
    "two prongs": ("with two prongs", "-two-pronged", "-two-pin"),
    "three prongs": ("with three prongs", "-three-pronged", "-three-pin"),
    "round body": ("with a round body", "-round"),
    "square body": ("with a square body", "-square"),
    "ribbed grip": ("with a ribbed grip", "with a ribbed handle", "-ribbed"),
    "smooth grip": ("with a smooth grip", "with a smooth handle", "-smooth"),
    "rocker": ("with a rocker", "-rocker"),
    "toggle": ("with a toggle lever", "-toggle"),
}

# Adjectives; those with a leading "=" only follow the noun.
STATE: dict[str, tuple[str, ...]] = {
    "full": ("full", "filled"),
    "half full": ("half full", "half-filled"),
    "empty": ("empty",),
    "open": ("open", "opened"),
    "closed": ("closed", "shut"),
    "low": ("=reading low", "=with its needle at the low end"),
    "middle": ("=reading mid-scale", "=with its needle in the middle"),
    "high": ("=reading high", "=with its needle at the high end"),
    "locked": ("locked",),
    "unlocked": ("unlocked",),
    "lit": ("lit", "=switched on and glowing"),
    "unlit": ("unlit", "=switched off and dark"),
    "on": ("=in the on position", "=turned on"),
    "off": ("=in the off position", "=turned off"),
}

# The part that shows the direction of an object.
TIP: dict[str, str] = {
    "bolt": "tip",
    "bottle": "cap",
    "mug": "handle",
    "chip": "notch",
    "plug": "prongs",
    "padlock": "shackle",
    "torch": "lens",
}

DIRECTION: dict[str, tuple[str, ...]] = {
    "up": ("up", "upwards"),
    "right": ("right", "to the right"),
    "down": ("down", "downwards"),
    "left": ("left", "to the left"),
}

POSITION: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "in the left half"),
    "right": ("on the right", "in the right half"),
    "top": ("at the top", "in the upper half"),
    "bottom": ("at the bottom", "in the lower half"),
}

# The small parts lie opposite the object, so their position also determines that of the object.
ITEMS_FROM_OBJECT: dict[str, str] = {
    "left": "to the right of",
    "right": "to the left of",
    "top": "below",
    "bottom": "above",
}

DEFECT: dict[str, tuple[str, ...]] = {
    "none": ("-undamaged", "-flawless", "without any defect"),
    "scratch": ("-scratched", "with a scratch", "with a thin scratch"),
    "crack": ("-cracked", "with a crack"),
    "dent": ("-dented", "with a dent"),
    "stain": ("-stained", "with a stain"),
    "rust": ("-rusty", "with rust spots", "with a patch of rust"),
}

ITEM: dict[str, tuple[str, ...]] = {
    "washer": ("washer", "washers"),
    "nut": ("nut", "nuts"),
    "screw": ("screw", "screws"),
    "ball": ("ball", "balls"),
    "spring": ("spring", "springs"),
    "tile": ("tile", "tiles"),
}

ITEM_SIZE: dict[str, tuple[str, ...]] = {"small": ("small", "tiny"), "large": ("large", "big")}

COUNT: dict[str, tuple[str, ...]] = {
    "1": ("one", "a single"),
    "2": ("two",),
    "3": ("three",),
    "4": ("four",),
    "5": ("five",),
    "6": ("six",),
}

EXTRA: dict[str, tuple[str, ...]] = {
    "none": ("nothing else", "no other object"),
    "pencil": ("a pencil",),
    "coin": ("a coin",),
    "ruler": ("a ruler",),
    "battery": ("a battery",),
    "warning sign": ("a warning sign", "a yellow warning triangle"),
    "leaf": ("a leaf", "a green leaf"),
}

SURFACE: dict[str, tuple[str, ...]] = {
    "wood": ("on a wooden board", "on wood", "on a wooden surface"),
    "white": ("on white paper", "on a white sheet", "on a white surface"),
    "grey": ("on a grey mat", "on a grey surface"),
    "black": ("on a black mat", "on a black surface"),
    "blue": ("on a blue mat", "on a blue surface"),
    "green": ("on a green cutting mat", "on a green mat", "on a green surface"),
}

VIEWPOINT: dict[str, tuple[str, ...]] = {
    "top": ("seen straight from above", "in a top view", "viewed from directly overhead"),
    "front": ("seen at an angle from the front", "in a tilted view from the front"),
    "left": ("seen at an angle from the left side", "in a tilted view from the left"),
    "right": ("seen at an angle from the right side", "in a tilted view from the right"),
    "close": ("in a close-up", "seen from close up"),
    "far": ("seen from far away", "in a distant view"),
}

LIGHT: dict[str, tuple[str, ...]] = {
    "left": ("The light comes from the left.", "It is lit from the left, so shadows fall to the right."),
    "right": ("The light comes from the right.", "It is lit from the right, so shadows fall to the left."),
}

LIT: dict[str, tuple[str, ...]] = {
    "left": ("lit from the left", "with light from the left"),
    "right": ("lit from the right", "with light from the right"),
}
"""The same behind a noun, for short captions."""


def article(phrase: str) -> str:
    """The phrase with "a" or "an" in front."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


NO_TAG = ("without a tag", "without a label")
"""What a short caption says of a scene without a code, where that is the point."""


def sentence(text: str) -> str:
    """Upper-case first letter, one full stop."""
    text = text.strip()
    return text[0].upper() + text[1:].rstrip(".") + "."


def items(attributes: dict[str, str], random: Random, said: set[str]) -> str:
    """The small parts as a noun phrase: "three small red washers"; colour and size only where ``said``."""
    words = [random.choice(COUNT[attributes["count"]])]
    if "item_size" in said:
        words.append(random.choice(ITEM_SIZE[attributes["item_size"]]))
    if "item_color" in said:
        words.append(random.choice(COLOR[attributes["item_color"]]))
    words.append(ITEM[attributes["item"]][0 if attributes["count"] == "1" else 1])
    return " ".join(words)


def pointing(attributes: dict[str, str], random: Random) -> str:
    """Where the object points, as a phrase behind its noun."""
    direction = attributes["orientation"]
    toward = random.choice(DIRECTION[direction])
    tip = TIP[attributes["object"]]
    return random.choice((f"pointing {toward}", f"with its {tip} pointing {toward}", f"facing {toward}"))


def noun_phrase(attributes: dict[str, str], random: Random, said: set[str], noun: str | None = None) -> str:
    """The object with its colour and with the chosen ones among state, shape, defect, orientation and code
    (``said``).

    At most two of them precede the noun, so that the phrase stays readable.
    """
    before: list[str] = []
    behind: list[str] = []
    if "state" in said:
        phrase = random.choice(STATE[attributes["state"]])
        (behind if phrase.startswith("=") else before).append(phrase.lstrip("="))
    for name, table in (("defect", DEFECT), ("shape", SHAPE)):
        if name not in said:
            continue
        options = table[attributes[name]]
        if len(before) >= 2:
            options = tuple(option for option in options if not option.startswith("-"))
        phrase = random.choice(options)
        (before if phrase.startswith("-") else behind).append(phrase.removeprefix("-"))
    before.insert(random.randint(0, len(before)), random.choice(COLOR[attributes["color"]]))
    if "orientation" in said:
        behind.insert(random.randint(0, len(behind)), pointing(attributes, random))
    if "code" in said:
        verb = random.choice(("marked", "labelled", "tagged", "with a tag reading", "with the code"))
        label = f'{verb} "{code_of(attributes)}"' if code_of(attributes) else random.choice(NO_TAG)
        behind.insert(random.randint(0, len(behind)), label)
    if len(behind) > 2:
        behind = [*behind[:-1], "and " + behind[-1]]
    noun = noun or random.choice(OBJECT[attributes["object"]])
    return " ".join([article(" ".join([*before, noun])), *behind])
