"""What is in a composed scene: up to three kinds of things, how many, where, and what they are like."""

from dataclasses import asdict, dataclass, replace
from random import Random

from clip_in_training.small.pictures import damage
from clip_in_training.small.pictures.backgrounds import KINDS as BACKGROUNDS
from clip_in_training.small.pictures.nature import (
    UPRIGHT,
    Pool,
    can_be_damaged,
    colours,
    own_colour,
    told_apart,
    turns,
)
from clip_in_training.small.pictures.nouns import Noun

MOST = 5
"""Most pictures in a scene."""

ALONE, ROW, COLUMN = "alone", "row", "column"
PLACES = ("left", "right", "top", "bottom", "middle")
"""Where things of one kind are, if there are no others."""

SMALL, MEDIUM, LARGE = "small", "medium", "large"
"""Sizes; medium is never mentioned."""


@dataclass(frozen=True)
class Things:
    """Things of one kind."""

    noun: Noun
    count: int = 1
    colour: str | None = None
    """What a person would call its colour; None where there is no word. Other than its own: it is recoloured."""
    size: str = MEDIUM
    damage: str = damage.NONE
    turn: str = UPRIGHT

    @property
    def of_noun(self) -> str:
        """The noun in the number that `count` asks for."""
        return self.noun.one if self.count == 1 else self.noun.many


@dataclass(frozen=True)
class Scene:
    """A whole scene. In a row the things stand from left to right, in a column from top to bottom."""

    things: tuple[Things, ...]
    arrangement: str
    """`ALONE`, `ROW` or `COLUMN`."""
    place: str
    """One of `PLACES` for things alone; "" otherwise."""
    background: str

    def attributes(self) -> dict[str, object]:
        """All of it as a JSON object."""
        return {
            "things": [
                {**asdict(t), "noun": t.noun.one, "emoji": t.noun.picture.characters} for t in self.things
            ],
            "arrangement": self.arrangement,
            "place": self.place,
            "background": self.background,
        }

    def with_things(self, index: int, **changes: object) -> "Scene":
        """The scene with changed properties of one kind of things."""
        changed = replace(self.things[index], **changes)  # type: ignore[arg-type]
        return replace(self, things=(*self.things[:index], changed, *self.things[index + 1 :]))


def plain_things(noun: Noun, count: int = 1) -> Things:
    """Things as they are by themselves."""
    return Things(noun, count, own_colour(noun))


def sample_things(noun: Noun, most: int, random: Random, sizes: bool) -> Things:
    """Things with chance properties; at most `most` of them."""
    count = random.choices(range(1, most + 1), [3, 2, 2, 1.5, 1.5][:most])[0]
    things = plain_things(noun, count)
    if colours(noun) and random.random() < 0.6:
        things = replace(things, colour=random.choice(colours(noun)))
    if sizes and count <= 2 and random.random() < 0.4:
        things = replace(things, size=random.choice((SMALL, LARGE)))
    if can_be_damaged(noun) and random.random() < 0.12:
        things = replace(things, damage=random.choice(damage.KINDS))
    if len(turns(noun)) > 1 and random.random() < 0.15:
        things = replace(things, turn=random.choice(turns(noun)[1:]))
    return things


def sample_nouns(pool: Pool, count: int, random: Random, first: Noun | None = None) -> list[Noun]:
    """Different things, of which no name is true of another; `first` is the first one if given."""
    chosen = [first] if first else []
    while len(chosen) < count:
        noun = pool.draw(random)
        if all(told_apart(noun, other) for other in chosen):
            chosen.append(noun)
    return chosen


def sample_scene(pool: Pool, random: Random, kinds: int | None = None, first: Noun | None = None) -> Scene:
    """A scene with `kinds` (1 to 3; by chance if None) different things of the pool, `first` among them if given."""
    kinds = kinds or random.choices((1, 2, 3), (0.4, 0.42, 0.18))[0]
    things, left = [], MOST - kinds
    for noun in sample_nouns(pool, kinds, random, first):
        most = 1 + min(left, {1: 4, 2: 3, 3: 2}[kinds])
        each = sample_things(noun, most, random, sizes=kinds <= 2)
        left -= each.count - 1
        things.append(each)
    arrangement = ALONE if kinds == 1 else random.choice((ROW, COLUMN))
    place = random.choice(PLACES) if kinds == 1 else ""
    return Scene(tuple(things), arrangement, place, random.choice(BACKGROUNDS))
