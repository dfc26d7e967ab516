"""The English words for what composed scenes are made of."""

from random import Random

from clip_in_training.small.pictures.nature import UPRIGHT
from clip_in_training.small.pictures.scene import LARGE, SMALL, Things

NUMBERS = {1: ("one", "a single"), 2: ("two",), 3: ("three",), 4: ("four",), 5: ("five",)}
SEVERAL = ("some", "a few")
SIZES = {SMALL: ("small", "little", "tiny"), LARGE: ("large", "big")}
COLOURS = {"purple": ("purple", "violet"), "turquoise": ("turquoise", "cyan")}
"""Other words for colours; a colour that is missing has its own name only."""

DAMAGE = {
    "none": ("undamaged", "intact", "-without any damage", "-in perfect condition"),
    "crack": ("cracked", "-with a crack", "-with a dark crack"),
    "missing piece": ("chipped", "-with a piece missing", "-with a piece broken off"),
    "stain": ("stained", "-with a stain", "-with a dark stain"),
}
"""Adjectives; a phrase that stands behind the noun begins with "-"."""

TURNS = {
    UPRIGHT: ("upright", "the right way up"),
    "upside down": ("upside down", "turned upside down", "standing on its head"),
    "tipped to the left": ("tipped over to the left", "fallen over to the left", "lying on its left side"),
    "tipped to the right": (
        "tipped over to the right",
        "fallen over to the right",
        "lying on its right side",
    ),
}
"""Phrases behind the noun. Those with "its" are for one thing only."""

PLACES = {
    "left": ("on the left", "in the left half", "at the left"),
    "right": ("on the right", "in the right half", "at the right"),
    "top": ("at the top", "in the upper half", "in the upper part"),
    "bottom": ("at the bottom", "in the lower half", "in the lower part"),
    "middle": ("in the middle", "in the centre"),
}
BACKGROUNDS = {
    "wood": ("on a wooden table", "on wood", "on a wooden board"),
    "cloth": ("on woven cloth", "on fabric", "on a piece of cloth"),
    "printed paper": ("on printed paper", "on a page of text", "on a printed sheet"),
    "stripes": ("on stripes", "in front of stripes", "on a striped surface"),
    "speckles": ("on a speckled surface", "on granite", "on speckled stone"),
    "gradient": ("on a plain background", "in front of a smooth background", "on a plain surface"),
}
FRAMES = (
    "{x}",
    "{x}",
    "{x}",
    "a picture of {x}",
    "an image of {x}",
    "this is {x}",
    "we see {x}",
    "you can see {x}",
    "the picture shows {x}",
    "here {is} {x}",
    "there {is} {x}",
    "{x} can be seen",
)
"""Short sentences; {x} is a phrase, {is} is "is" or "are"."""


def article(phrase: str) -> str:
    """The phrase with "a" or "an"."""
    vowel = phrase[0].lower() in "aeiou" and not phrase.startswith(("unicorn", "one-", "euro", "ewe"))
    vowel = vowel or phrase.startswith("X-")
    return ("an " if vowel else "a ") + phrase


def be(things: Things) -> str:
    """ "is" or "are"."""
    return "is" if things.count == 1 else "are"


def turn_phrases(things: Things) -> list[str]:
    """What can be said of the way that they stand or lie."""
    return [phrase for phrase in TURNS[things.turn] if things.count == 1 or " its " not in phrase]


def noun_phrase(things: Things, said: set[str], random: Random, digits: bool = False) -> str:
    """The things with the properties in `said`: "two small cracked red cars lying on their sides"."""
    before: list[str] = []
    behind: list[str] = []
    if "size" in said and things.size in SIZES:
        before.append(random.choice(SIZES[things.size]))
    if "damage" in said:
        phrase = random.choice(DAMAGE[things.damage])
        (behind if phrase.startswith("-") else before).append(phrase.removeprefix("-"))
    if "colour" in said and things.colour:
        before.append(random.choice(COLOURS.get(things.colour, (things.colour,))))
    if "turn" in said:
        behind.insert(0, random.choice(turn_phrases(things)))
    number = random.random()
    words = " ".join([*before, things.of_noun])
    if digits:
        words = f"{things.count} {words}"
    elif things.count == 1:
        many = "count" in said and number < 0.6
        words = f"{random.choice(NUMBERS[1])} {words}" if many else article(words)
    elif "count" in said or number < 0.75:
        words = f"{random.choice(NUMBERS[things.count])} {words}"
    else:
        words = f"{random.choice(SEVERAL)} {words}"
    return " ".join([words, *behind])
