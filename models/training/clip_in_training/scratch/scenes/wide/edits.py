"""Edits for the wide language: each attribute changes from one value to another, and what can be absent appears."""

from __future__ import annotations

from random import Random

from clip_in_training.scratch.scenes import edits as narrow
from clip_in_training.scratch.scenes.attributes import (
    ATTRIBUTES,
    CATEGORIES,
    CODE,
    FAMILIES,
    NONE,
    NOT_APPLICABLE,
    OTHER,
    sample_attributes,
)
from clip_in_training.scratch.scenes.edits import Edit

LIGHT, EXTRA, ITEM, DEFECT = "light", "extra", "item", "defect"
WIDE_CATEGORIES = [*CATEGORIES, LIGHT, EXTRA, ITEM, DEFECT, OTHER]
"""The nine, and categories of their own for what the nine leave out or meet seldom."""

SWAP, APPEAR = "x <-> y", "none <-> x"
Change = tuple[str, str]
"""(attribute, "code" or "tag"; kind of change)"""

EDITED: dict[str, dict[Change, float]] = {
    "orientation": {("orientation", SWAP): 1.0},
    "presence": {("extra", APPEAR): 1.0},
    "state": {("state", SWAP): 1.0},
    "count": {("count", SWAP): 1.0},
    "position": {("position", SWAP): 1.0},
    "color": {("color", SWAP): 0.35, ("item_color", SWAP): 0.4, ("surface", SWAP): 0.25},
    "structure": {("shape", SWAP): 0.7, ("item_size", SWAP): 0.3},
    "text": {("code", SWAP): 1.0},
    "viewpoint": {("viewpoint", SWAP): 1.0},
    LIGHT: {("light", SWAP): 1.0},
    EXTRA: {("extra", SWAP): 1.0},
    ITEM: {("item", SWAP): 1.0},
    DEFECT: {("defect", APPEAR): 0.6, ("defect", SWAP): 0.4},
    OTHER: {("object", SWAP): 0.3, ("tag", APPEAR): 0.35, ("surface", SWAP): 0.35},
}
"""Category -> change -> share of its edits. "color" changes surfaces other than wood, "other" wood and another."""

CHANGES: list[Change] = list(dict.fromkeys(change for shares in EDITED.values() for change in shares))


def sample_scene(random: Random, edited: str | None = None) -> dict[str, str]:
    """A scene of the wide language: half of the objects are undamaged, one for each damaged one."""
    attributes = sample_attributes(random, edited)
    attributes["defect"] = NONE if random.random() < 0.5 else random.choice(ATTRIBUTES["defect"][1:])
    return attributes


def sample_edit(category: str, random: Random) -> Edit:
    """Draw a scene and one change of the given category.

    Raises ValueError for a category that is not one of `WIDE_CATEGORIES`.
    """
    if category not in EDITED:
        raise ValueError(f"unknown edit category {category!r}; known: {', '.join(EDITED)}")
    shares = EDITED[category]
    return sample_change(category, random.choices(list(shares), list(shares.values()))[0], random)


def sample_change(category: str, change: Change, random: Random) -> Edit:
    """Draw a scene and this change of it. All values, and all pairs of them, are equally frequent."""
    edited, kind = change
    source = sample_scene(random, edited)
    if edited == "code":
        target = narrow.with_another_character(source, random)
    elif edited == "count":
        target = narrow.with_another_count(source, random)
    elif edited == "object":
        target = narrow.with_another_object(source, random)
    elif edited == "tag":
        target = {**source, **dict.fromkeys(CODE, NONE)}
    else:
        before, after = _values(category, change, source, random)
        source, target = {**source, edited: before}, {**source, edited: after}
    if kind == APPEAR and random.random() < 0.5:
        source, target = target, source
    return Edit(category, edited, source, target, narrow.instruct(edited, source, target, random))


def _values(category: str, change: Change, source: dict[str, str], random: Random) -> tuple[str, str]:
    """What the attribute is before and after."""
    edited, kind = change
    family = FAMILIES[source["object"]]
    values = list({"shape": family.shapes, "state": family.states}.get(edited, ATTRIBUTES[edited]))
    values = [value for value in values if value not in (NONE, NOT_APPLICABLE)]
    if kind == APPEAR:
        return NONE, random.choice(values)
    if edited == "surface":
        mats = [value for value in values if value != "wood"]
        values = mats if category == "color" else ["wood", random.choice(mats)]
    before, after = random.sample(values, 2)
    return before, after
