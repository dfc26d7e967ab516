"""Captions of a scene: a short one mentions a few attributes, a long one all of them."""

from __future__ import annotations

import math
from random import Random

from clip_in_training.scratch.scenes import words
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CODE, NONE, NOT_APPLICABLE, code_of

# Facts that a caption can mention besides object and colour, and their information in bits.
_FACTS: dict[str, tuple[str, ...]] = {
    "position": ("position",),
    "viewpoint": ("viewpoint",),
    "surface": ("surface",),
    "items": ("item", "count"),
    "item_color": ("item_color",),
    "item_size": ("item_size",),
    "shape": ("shape",),
    "state": ("state",),
    "orientation": ("orientation",),
    "defect": ("defect",),
    "extra": ("extra",),
    "code": CODE,
    "light": ("light",),
}
_BY_CHANCE = [fact for fact in _FACTS if fact != "light"]
"""A short caption says where the light comes from only where that is the point; a long one always does."""
_FACT_OF_EDIT = {"count": "items", "item": "items", "tag": "code", "color": None, "object": None}
"""The fact that says an edited attribute, if its name is another one; object and colour are always said."""
_BITS = {
    "shape": 1.2,
    "state": 1.2,
    "orientation": 2.0,
    "defect": 1.2,
    "extra": 1.2,
    "code": 7.0,
    "items": 5.2,
}
_ENOUGH_BITS = 9.5
"""Besides object and colour (6.6 bits). About one scene in 70,000 then fits a short caption by chance."""


def _bits(fact: str) -> float:
    return _BITS.get(fact) or math.log2(len(ATTRIBUTES[fact]))


def choose_said(
    attributes: dict[str, str],
    random: Random,
    edited: str | None = None,
    enough: float = _ENOUGH_BITS,
    silent: tuple[str, ...] = ("defect", "extra"),
) -> set[str]:
    """Choose the facts of a short caption: keys of the fact table, always with ``edited`` among them.

    ``edited`` is an attribute name, "code" or "tag". What does not apply to the scene is never chosen, and where the
    object is another one afterwards nothing that only one kind of object has. Facts are added until they have
    ``enough`` bits. Of the ``silent`` ones, a caption does not say that there is none, unless that is edited.
    """
    possible = [fact for fact in _BY_CHANCE if attributes.get(fact) != NOT_APPLICABLE]
    if not code_of(attributes):
        possible.remove("code")
    if edited == "object":
        possible = [fact for fact in possible if fact not in ("shape", "state", "orientation")]
    random.shuffle(possible)
    said: set[str] = set()
    fact_of_edit = _FACT_OF_EDIT.get(edited, edited) if edited else None
    if fact_of_edit:
        said.add(fact_of_edit)
    bits = sum(_bits(fact) for fact in said)
    for fact in possible:
        if bits >= enough:
            break
        if fact in said or (fact in silent and attributes[fact] == NONE):
            continue
        said.add(fact)
        bits += _bits(fact)
    if said & {"item_color", "item_size"}:
        said.add("items")
    return said


def stated_attributes(said: set[str]) -> set[str]:
    """Names of the attributes that these facts of a short caption determine."""
    return {"object", "color"} | {name for fact in said for name in _FACTS[fact]}


def short_caption(attributes: dict[str, str], said: set[str], random: Random) -> str:
    """One phrase that mentions object, colour and exactly the facts in ``said``."""
    thing = words.noun_phrase(attributes, random, said)
    place = random.choice(words.POSITION[attributes["position"]]) if "position" in said else ""
    if "items" not in said:
        subject = f"{thing} {place}"
    else:
        parts = words.items(attributes, random, said)
        style = random.random()
        if place and style < 0.4:
            subject = f"{parts} {words.ITEMS_FROM_OBJECT[attributes['position']]} {thing}"
        elif style < 0.6 and not place:
            # A place mentioned after this would be read as the place of the small parts.
            subject = f"{parts} {random.choice(('next to', 'beside', 'near'))} {thing}"
        else:
            subject = (
                f"{thing} {place}".strip() + random.choice((" and ", " with ", ", together with ")) + parts
            )
    tail: list[str] = []
    if "extra" in said:
        what = random.choice(words.EXTRA[attributes["extra"]])
        tail.append(random.choice(("with {} beside it", "with {} nearby", "and {}")).format(what))
    if "surface" in said:
        tail.insert(random.randint(0, len(tail)), random.choice(words.SURFACE[attributes["surface"]]))
    if "light" in said:
        tail.append(random.choice(words.LIT[attributes["light"]]))
    text = " ".join([subject.strip(), *tail])
    if "viewpoint" in said:
        view = random.choice(words.VIEWPOINT[attributes["viewpoint"]])
        text = f"{view}: {text}" if random.random() < 0.35 else f"{text}, {view}"
    return words.sentence(text)


def long_caption(attributes: dict[str, str], random: Random) -> str:
    """Several sentences, 35 to 80 words, that mention every attribute of the scene."""
    said = {name for name in ("shape", "state") if attributes[name] != NOT_APPLICABLE}
    noun = random.choice(words.OBJECT[attributes["object"]])
    thing = words.noun_phrase(attributes, random, said, noun)
    place = random.choice(words.POSITION[attributes["position"]])
    surface = random.choice(words.SURFACE[attributes["surface"]])
    view = random.choice(words.VIEWPOINT[attributes["viewpoint"]])
    frame = random.random()
    if frame < 0.35:
        first = f"{thing} lies {place} {surface}, {view}"
    elif frame < 0.7:
        first = f"the picture, {view}, shows {thing} {place} {surface}"
    else:
        first = f"{view}: {thing}, {place} {surface}"
    rest = [_object_sentence(attributes, noun, random), _items_sentence(attributes, noun, random)]
    rest += [_code_sentence(attributes, noun, random), _extra_sentence(attributes, random)]
    rest.append(random.choice(words.LIGHT[attributes["light"]]))
    random.shuffle(rest)
    return " ".join(words.sentence(text) for text in (first, *rest))


def _object_sentence(attributes: dict[str, str], noun: str, random: Random) -> str:
    subject = random.choice(("it", f"the {noun}"))
    defect = attributes["defect"]
    if defect == NONE:
        surface = random.choice(("has no visible defect", "shows no damage", "is in flawless condition"))
    elif defect == "rust":
        surface = random.choice(
            ("has rust spots on its surface", "is rusty in one place", "shows a patch of rust")
        )
    else:
        surface = random.choice(
            (f"has a {defect} on its surface", f"shows a {defect}", f"is damaged by a {defect}")
        )
        if defect == "stain":
            surface = random.choice(("has a stain on its surface", "shows a stain", "is soiled by a stain"))
    if attributes["orientation"] == NOT_APPLICABLE:
        return f"the {noun} {surface}"
    toward = random.choice(words.DIRECTION[attributes["orientation"]])
    tip = words.TIP[attributes["object"]]
    verb = "point" if tip == "prongs" else "points"
    return random.choice(
        (
            f"the {noun} {surface} and its {tip} {verb} {toward}",
            f"with its {tip} pointing {toward}, {subject} {surface}",
            f"the {noun} faces {toward} and {surface}",
        )
    )


def _items_sentence(attributes: dict[str, str], noun: str, random: Random) -> str:
    parts = words.items(attributes, random, {"item_size", "item_color"})
    relation = words.ITEMS_FROM_OBJECT[attributes["position"]]
    lie, are = ("lies", "is") if attributes["count"] == "1" else ("lie", "are")
    return random.choice(
        (
            f"{parts} {lie} {relation} it",
            f"{relation} the {noun} there {are} {parts}",
            f"{parts} can be seen {relation} the {noun}",
        )
    )


def _code_sentence(attributes: dict[str, str], noun: str, random: Random) -> str:
    code = code_of(attributes)
    if not code:
        return random.choice(
            ("no code is printed anywhere", "there is no tag", f"the {noun} carries no label")
        )
    return random.choice(
        (
            f'a tag reads "{code}"',
            f'the printed code is "{code}"',
            f'the {noun} is labelled "{code}" on a tag',
        )
    )


def _extra_sentence(attributes: dict[str, str], random: Random) -> str:
    what = random.choice(words.EXTRA[attributes["extra"]])
    if attributes["extra"] == NONE:
        return random.choice((f"{what} is in view", f"there is {what} on it"))
    return random.choice(
        (f"{what} lies there as well", f"there is also {what}", f"{what} has been left nearby")
    )
