"""What can be said of a thing: which colours it can have, whether it can be damaged, and which way it can lie."""

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from random import Random

import numpy as np

from clip_in_training.small.pictures.colours import COLOURS, Tint, tint
from clip_in_training.small.pictures.nouns import Noun, nouns

UPRIGHT = "upright"
TURNS = (UPRIGHT, "upside down", "tipped to the left", "tipped to the right")
"""How a thing can stand or lie, in quarter turns: see `QUARTERS`."""

QUARTERS = {UPRIGHT: 0, "tipped to the left": 1, "upside down": 2, "tipped to the right": 3}
"""Quarter turns against the clock."""

_ALIVE = ("animal-", "person-", "face-", "plant-", "heart", "sky & weather")
"""Beginnings of the subgroups whose members are not cracked or chipped."""

_WITH_A_FOOT = frozenset(
    {
        "animal-mammal",
        "animal-bird",
        "animal-reptile",
        "person-role",
        "face-smiling",
        "face-hat",
        "face-costume",
        "drink",
        "place-building",
        "place-religious",
        "place-other",
        "transport-ground",
        "computer",
        "household",
        "plant-other",
        "clothing",
        "science",
        "event",
    }
)
"""Subgroups of which everybody knows what is up and what is down."""

_GENERAL = frozenset(
    {
        "bird",
        "fish",
        "bug",
        "ship",
        "blossom",
        "train",
        "house",
        "seedling",
        "motor boat",
        "speedboat",
        "hotel",
        "bank",
    }
)
"""Names that are true of other pictures of their group too: these are never exchanged for one of them."""


@lru_cache(maxsize=4096)
def own_tint(noun: Noun) -> Tint:
    """The colour that the picture has by itself."""
    return tint(noun.picture.picture(48))


def own_colour(noun: Noun) -> str | None:
    """The colour to mention; None if it has none, or if its name says it already."""
    return None if noun.named_colour else own_tint(noun).name


def colours(noun: Noun) -> tuple[str, ...]:
    """Colours that the thing can be given; empty if it has none of its own that one could exchange."""
    return () if own_colour(noun) is None else COLOURS


def can_be_damaged(noun: Noun) -> bool:
    """Whether a crack, a missing piece or a stain is a defect of it."""
    return not noun.group.startswith(_ALIVE)


@lru_cache(maxsize=4096)
def turns(noun: Noun) -> tuple[str, ...]:
    """The ways it can lie which are seen to differ: all of `TURNS`, or only `UPRIGHT`."""
    if noun.group not in _WITH_A_FOOT:
        return (UPRIGHT,)
    seen = np.asarray(noun.picture.picture(32).convert("RGBa"), np.float32) / 255
    differences = [float(np.abs(np.rot90(seen, quarter) - seen).mean()) for quarter in (1, 2, 3)]
    return TURNS if min(differences) > 0.1 else (UPRIGHT,)


def told_apart(first: Noun, second: Noun) -> bool:
    """Whether the name of neither is true of the other: "dog" and "cat", not "dog" and "guide dog"."""
    a, b = set(first.one.split()), set(second.one.split())
    if a <= b or b <= a or first.picture.characters == second.picture.characters:
        return False
    return first.group != second.group or not {first.one, second.one} & _GENERAL


class Pool:
    """Things to draw scenes from, by group."""

    def __init__(self, things: Iterable[Noun]) -> None:
        self.things = tuple(things)
        self.groups: dict[str, list[Noun]] = {}
        for noun in self.things:
            self.groups.setdefault(noun.group, []).append(noun)
        # Small groups would come too seldom by the number of their members, and too often by groups.
        self._weights = [math.sqrt(len(members)) for members in self.groups.values()]
        self._names = list(self.groups)

    def draw(self, random: Random) -> Noun:
        """One thing by chance."""
        return random.choice(self.groups[random.choices(self._names, self._weights)[0]])

    def narrowed(self, wanted: Callable[[Noun], bool]) -> "Pool":
        """The pool with only the things for which `wanted` holds."""
        return Pool(noun for noun in self.things if wanted(noun))


POOLS = {"seen": (False,), "held out": (True,), "all": (False, True)}
"""Name of a pool -> whether its things are held out."""


@lru_cache(maxsize=8)
def pool(which: str = "seen") -> Pool:
    """The things of a split: "seen" by training, "held out", or "all". Raises ValueError for another word."""
    if which not in POOLS:
        raise ValueError(f"unknown pool {which!r}; known: {', '.join(POOLS)}")
    return Pool(noun for noun in nouns() if noun.picture.held_out in POOLS[which])


@lru_cache(maxsize=32)
def pool_for(which: str, property_name: str) -> Pool:
    """The things of a split to which an edit of a property can be made: "colour", "damage" or "turn"."""
    wanted = {"colour": colours, "damage": can_be_damaged, "turn": lambda noun: len(turns(noun)) > 1}[
        property_name
    ]
    return pool(which).narrowed(lambda noun: bool(wanted(noun)))


@lru_cache(maxsize=8)
def by_name() -> dict[str, Noun]:
    """Every thing by its singular."""
    return {noun.one: noun for noun in nouns()}
