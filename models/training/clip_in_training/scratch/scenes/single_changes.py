"""All single changes of a scene, and statements about them: what a picture is asked beside its golden sample."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from clip_in_training.scratch.scenes.attributes import (
    ATTRIBUTES,
    CATEGORIES,
    CODE,
    EDITED,
    FAMILIES,
    NONE,
    NOT_APPLICABLE,
    code_of,
    sample_attributes,
)
from clip_in_training.scratch.scenes.edits import Edit, with_another_character
from clip_in_training.scratch.scenes.setting import Setting

NOTHING = "nothing"
"""In the place of an edited attribute: the part is as it was."""
NINE, ALL = "nine", "all"
"""Which statements: one of each category of MMVP, or all single changes of the scene."""


@dataclass(frozen=True)
class Change:
    """One other scene. `edited` is an attribute, "code" (one character of it), "tag" or `NOTHING`."""

    edited: str
    target: dict[str, str]


@dataclass(frozen=True)
class Statement:
    """What is said of the picture, and what is true of the golden sample, in the same words."""

    text: str
    reference_text: str


@dataclass(frozen=True)
class Question:
    """A scene, the statements about it, and the one that is true after the change."""

    source: dict[str, str]
    changes: list[Change]
    true: int
    statements: list[Statement]
    long: list[Statement]


def single_changes(source: dict[str, str], random: Random) -> list[Change]:
    """Every other value of every attribute but the kind of object; another code and no tag, where there is one."""
    family = FAMILIES[source["object"]]
    own = {"shape": family.shapes, "state": family.states}
    found = []
    for name, vocabulary in ATTRIBUTES.items():
        if name in ("object", *CODE) or source[name] == NOT_APPLICABLE:
            continue
        values = [value for value in own.get(name, vocabulary) if value not in (source[name], NOT_APPLICABLE)]
        found += [Change(name, {**source, name: value}) for value in values]
    if code_of(source):
        found.append(Change("code", with_another_character(source, random)))
        found.append(Change("tag", {**source, **dict.fromkeys(CODE, NONE)}))
    return found


def question(statements: str, random: Random, setting: Setting) -> Question:
    """Draws a scene with a tag, a change of it, and the statements. Raises ValueError for other statements than
    `NINE` and `ALL`.

    With `NINE` each category has one statement, or, where it does not apply, another one has two. With `ALL` the true
    one is drawn attribute by attribute, so that each is asked for equally often, `NOTHING` among them.
    """
    if statements not in (NINE, ALL):
        raise ValueError(f"unknown statements {statements!r}: {NINE} or {ALL}")
    source = sample_attributes(random, "code")
    found = single_changes(source, random)
    if statements == NINE:
        found = _one_a_category(found, random)
        true = random.randrange(len(found))
    else:
        found.append(Change(NOTHING, source))
        asked = random.choice(sorted({change.edited for change in found}))
        true = random.choice([place for place, change in enumerate(found) if change.edited == asked])
    said_by, wording = random.getrandbits(62), random.getrandbits(62)
    short, long = [], []
    for change in found:
        edit = Edit("", change.edited, source, change.target, "")
        said = setting.said(source, Random(said_by), None if change.edited == NOTHING else edit)
        both = [setting.short(scene, said, Random(wording)) for scene in (change.target, source)]
        short.append(Statement(*both))
        both = [setting.long(scene, Random(wording)) for scene in (change.target, source)]
        long.append(Statement(*both))
    return Question(source, found, true, short, long)


def _one_a_category(found: list[Change], random: Random) -> list[Change]:
    chosen = []
    for category in CATEGORIES:
        shares = {
            name: share for name, share in EDITED[category].items() if any(c.edited == name for c in found)
        }
        if shares:
            name = random.choices(list(shares), list(shares.values()))[0]
            chosen.append(random.choice([change for change in found if change.edited == name]))
    rest = [change for change in found if change not in chosen and change.edited != "tag"]
    chosen += random.sample(rest, len(CATEGORIES) - len(chosen))
    random.shuffle(chosen)
    return chosen
