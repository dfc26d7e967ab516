"""Edits: exactly one thing about a scene changes, and an instruction describes the change."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from clip_in_training.scratch.scenes import words
from clip_in_training.scratch.scenes.attributes import (
    ATTRIBUTES,
    CODE,
    CODE_CHARACTERS,
    EDITED,
    FAMILIES,
    NONE,
    NOT_APPLICABLE,
    OTHER,
    code_of,
    sample_attributes,
)


@dataclass(frozen=True)
class Edit:
    """Attributes before and after; ``edited`` is the attribute that differs, "code" (one character of it) or "tag"
    (there or not). Another "object" brings its own shape, state and orientation.
    """

    category: str
    edited: str
    source: dict[str, str]
    target: dict[str, str]
    instruction: str


def sample_edit(category: str, random: Random) -> Edit:
    """Draw a scene and one change of the given category.

    Raises ValueError for a category that is not one of ``ALL_CATEGORIES``.
    """
    if category not in EDITED:
        raise ValueError(f"unknown edit category {category!r}; known: {', '.join(EDITED)}")
    shares = EDITED[category]
    edited = random.choices(list(shares), list(shares.values()))[0]
    source = sample_attributes(random, edited)
    target = dict(source)
    if edited == "code":
        target = with_another_character(source, random)
    elif edited == "count":
        target = with_another_count(source, random)
    elif category == OTHER and edited == "extra":
        source[edited], target[edited] = random.sample(ATTRIBUTES[edited][1:], 2)
    elif category == OTHER and edited == "surface":
        sides = ["wood", random.choice([value for value in ATTRIBUTES[edited] if value != "wood"])]
        source[edited], target[edited] = random.sample(sides, 2)
    elif edited == "tag":
        target.update(dict.fromkeys(CODE, NONE))
        if random.random() < 0.5:
            source, target = target, source
    elif edited == "object":
        target = with_another_object(source, random)
    elif edited in ("extra", "defect"):
        something = random.choice(ATTRIBUTES[edited][1:])
        # Presence changes between absent and present; a defect may also become another one.
        if edited == "defect" and random.random() < 0.4:
            source[edited] = random.choice([v for v in ATTRIBUTES[edited][1:] if v != something])
        else:
            source[edited] = NONE
        target[edited] = something
        if random.random() < 0.5:
            source, target = target, source
    else:
        family = FAMILIES[source["object"]]
        vocabulary = {"shape": family.shapes, "state": family.states}.get(edited, ATTRIBUTES[edited])
        known = [value for value in vocabulary if value not in (source[edited], "n/a")]
        target[edited] = random.choice(known)
    if category == "color" and edited == "surface" and "wood" in (source["surface"], target["surface"]):
        # Between wood and a blue mat, more than the colour changes.
        source["surface"], target["surface"] = random.sample(["white", "grey", "black", "blue", "green"], 2)
    return Edit(category, edited, source, target, instruct(edited, source, target, random))


def with_another_character(source: dict[str, str], random: Random) -> dict[str, str]:
    """The scene with one character of its code changed; it must have a code."""
    name = random.choice([name for name in CODE if source[name] != NONE])
    return {**source, name: random.choice([c for c in CODE_CHARACTERS if c != source[name]])}


def with_another_count(source: dict[str, str], random: Random) -> dict[str, str]:
    """The scene with more or fewer small parts. Three in four differ by one: the hard ones."""
    now = int(source["count"])
    near = [n for n in (now - 1, now + 1) if 1 <= n <= 6]
    far = [n for n in range(1, 7) if abs(n - now) > 1]
    return {**source, "count": str(random.choice(near if random.random() < 0.75 else far))}


def with_another_object(source: dict[str, str], random: Random) -> dict[str, str]:
    """The scene with an object of another kind. It keeps state and orientation where it can have them."""
    kind = random.choice([kind for kind in FAMILIES if kind != source["object"]])
    family = FAMILIES[kind]
    target = {**source, "object": kind, "shape": random.choice(family.shapes)}
    if source["state"] not in family.states:
        target["state"] = random.choice(family.states) if family.states else NOT_APPLICABLE
    if not family.directional:
        target["orientation"] = NOT_APPLICABLE
    elif source["orientation"] == NOT_APPLICABLE:
        target["orientation"] = random.choice(ATTRIBUTES["orientation"][1:])
    return target


def _bare(phrase: str) -> str:
    return phrase.lstrip("-=")


def instruct(edited: str, source: dict[str, str], target: dict[str, str], random: Random) -> str:
    """An instruction in the imperative that turns ``source`` into ``target``."""
    noun = random.choice(words.OBJECT[source["object"]])
    parts = words.ITEM[source["item"]][0 if source["count"] == "1" else 1]
    old, new = source.get(edited, ""), target.get(edited, "")
    if edited == "code":
        before, after = code_of(source), code_of(target)
        options = (f'change the code from "{before}" to "{after}"', f'make the tag read "{after}"')
    elif edited == "tag":
        if code_of(target):
            options = (f'add a tag that reads "{code_of(target)}"', f'label the {noun} "{code_of(target)}"')
        else:
            options = ("remove the tag", "take the label away")
    elif edited == "object":
        other = random.choice(words.OBJECT[new])
        options = (f"replace the {noun} by {words.article(other)}", f"make it {words.article(other)} instead")
    elif edited == "item":
        kind = words.ITEM[new][0 if source["count"] == "1" else 1]
        instead = kind if kind.endswith("s") else words.article(kind)
        options = (f"replace the {parts} by {instead}", f"use {instead} in place of the {parts}")
    elif edited == "light":
        options = (f"let the light come from the {new}", f"light the scene from the {new}")
    elif edited == "count":
        amount = words.COUNT[new][0]
        verb = "add" if int(new) > int(old) else "remove"
        kind = words.ITEM[source["item"]][0 if new == "1" else 1]
        be = "is" if new == "1" else "are"
        options = (
            f"{verb} {words.ITEM[source['item']][1]} until there {be} {amount}",
            f"make it {amount} {kind}",
        )
    elif edited == "extra":
        if NONE not in (old, new):
            what, by = words.EXTRA[old][0].removeprefix("a "), random.choice(words.EXTRA[new])
            options = (f"replace the {what} by {by}", f"take the {what} away and put {by} there")
        elif new == NONE:
            what = words.EXTRA[old][0].removeprefix("a ")
            options = (f"remove the {what}", f"take the {what} away")
        else:
            what = random.choice(words.EXTRA[new])
            options = (f"add {what}", f"put {what} into the scene")
    elif edited == "defect":
        if new == NONE:
            options = (f"make the {noun} flawless", f"repair the {noun}")
        else:
            how = _bare(words.DEFECT[new][0])
            options = (f"make the {noun} {how}", f"show the {noun} {random.choice(words.DEFECT[new][1:])}")
    elif edited == "shape":
        phrase = random.choice([p for p in words.SHAPE[new] if not p.startswith("-")])
        options = (f"replace the {noun} by one {phrase}", f"use {words.article(noun)} {phrase} instead")
    elif edited == "state":
        phrase = _bare(words.STATE[new][0])
        options = (f"show the {noun} {phrase}", f"let the {noun} be {phrase}")
    elif edited == "orientation":
        toward = random.choice(words.DIRECTION[new])
        options = (f"turn the {noun} so that it points {toward}", f"make the {noun} face {toward}")
    elif edited == "position":
        place = random.choice(words.POSITION[new])
        options = (f"move the {noun} so that it lies {place}", f"put the {noun} {place}")
    elif edited == "color":
        color = random.choice(words.COLOR[new])
        options = (f"make the {noun} {color}", f"change the colour of the {noun} from {old} to {color}")
    elif edited == "item_color":
        color = random.choice(words.COLOR[new])
        options = (f"make the {parts} {color}", f"change the colour of the {parts} to {color}")
    elif edited == "item_size":
        options = (
            f"make the {parts} {new}",
            f"use {new} {parts} instead" if parts.endswith("s") else f"use a {new} {parts}",
        )
    elif edited == "surface":
        options = (f"place everything {random.choice(words.SURFACE[new])}", f"make the background {new}")
    else:
        view = random.choice(words.VIEWPOINT[new])
        options = (f"show the same scene {view}", f"change the viewpoint: {view}")
    return words.sentence(random.choice(options))
