"""The sentence that describes an edit of a composed scene, in the imperative."""

from collections.abc import Callable
from random import Random

from clip_in_training.small.pictures import damage, phrases
from clip_in_training.small.pictures.edits import Edit
from clip_in_training.small.pictures.phrases import article, noun_phrase
from clip_in_training.small.pictures.scene import ALONE, ROW, Things
from clip_in_training.small.pictures.wording import sentence


def instruction(edit: Edit, random: Random) -> str:
    """A sentence in the imperative that turns the source into the target."""
    return sentence(_INSTRUCTIONS[edit.category](edit, random))


def _sides(edit: Edit) -> tuple[Things, Things]:
    """The things that change, before and after."""
    before, after = edit.changed()
    return edit.source.things[before[0]], edit.target.things[after[0]]


def _say_thing(edit: Edit, random: Random) -> str:
    old, new = _sides(edit)
    by = new.noun.many if new.count > 1 else article(new.noun.one)
    return random.choice(
        (
            f"replace the {old.of_noun} by {by}",
            f"turn the {old.of_noun} into {by}",
            f"put {by} in place of the {old.of_noun}",
        )
    )


def _say_count(edit: Edit, random: Random) -> str:
    old, new = _sides(edit)
    number, difference = phrases.NUMBERS[new.count][0], abs(new.count - old.count)
    verb, amount = ("add", " more") if new.count > old.count else ("remove", "")
    what = new.noun.one if difference == 1 else new.noun.many
    return random.choice(
        (f"make it {number} {new.of_noun}", f"{verb} {phrases.NUMBERS[difference][0]}{amount} {what}")
    )


def _say_place(edit: Edit, random: Random) -> str:
    target, things = edit.target, edit.target.things
    if target.arrangement == ALONE:
        where = random.choice(phrases.PLACES[target.place])
        return random.choice(
            (
                f"move the {things[0].of_noun} so that {'it is' if things[0].count == 1 else 'they are'} {where}",
                f"put the {things[0].of_noun} {where}",
            )
        )
    names = [f"the {t.of_noun}" for t in things]
    if len(names) == 2:
        relation = "to the left of" if target.arrangement == ROW else "above"
        return f"put {names[0]} {relation} {names[1]}"
    order = "from left to right" if target.arrangement == ROW else "from top to bottom"
    return f"arrange {order}: {names[0]}, {names[1]}, {names[2]}"


def _say_swap(edit: Edit, random: Random) -> str:
    old, new = edit.source.things, edit.target.things
    if old[0].noun != new[0].noun:
        return random.choice(
            (
                f"swap the {old[0].of_noun} and the {old[1].of_noun}",
                f"let the {old[0].of_noun} and the {old[1].of_noun} change places",
            )
        )
    name = next(
        name
        for name in ("colour", "count", "size", "damage")
        if getattr(old[0], name) != getattr(new[0], name)
    )
    first, second = (noun_phrase(t, {name}, random) for t in new)
    return f"make it {first} and {second}"


def _say_property(name: str) -> Callable[[Edit, Random], str]:
    def say(edit: Edit, random: Random) -> str:
        old, new = _sides(edit)
        the = f"the {old.of_noun}"
        if name == "colour":
            colour = random.choice(phrases.COLOURS.get(new.colour or "", (new.colour,)))
            return random.choice(
                (
                    f"make {the} {colour}",
                    f"colour {the} {colour}",
                    f"change {the} from {old.colour} to {colour}",
                )
            )
        if name == "size":
            return f"make {the} {random.choice(phrases.SIZES[new.size])}"
        if name == "turn":
            return f"show {the} {random.choice(phrases.turn_phrases(new))}"
        phrase = random.choice(phrases.DAMAGE[new.damage])
        if new.damage == damage.NONE:
            return random.choice((f"repair {the}", f"make {the} intact"))
        return f"show {the} {phrase.removeprefix('-')}"

    return say


def _say_presence(edit: Edit, random: Random) -> str:
    before, after = edit.changed()
    if after:
        what = noun_phrase(edit.target.things[after[0]], {"count"}, random)
        return random.choice((f"add {what}", f"put {what} there as well"))
    gone = edit.source.things[before[0]]
    return random.choice((f"remove the {gone.of_noun}", f"take the {gone.of_noun} away"))


def _say_background(edit: Edit, random: Random) -> str:
    return f"place everything {random.choice(phrases.BACKGROUNDS[edit.target.background])}"


_INSTRUCTIONS: dict[str, Callable[[Edit, Random], str]] = {
    "thing": _say_thing,
    "count": _say_count,
    "place": _say_place,
    "swap": _say_swap,
    "color": _say_property("colour"),
    "size": _say_property("size"),
    "damage": _say_property("damage"),
    "turn": _say_property("turn"),
    "presence": _say_presence,
    "background": _say_background,
}
