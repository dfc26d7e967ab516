"""What changes in some edit: only that can a model learn to tell apart."""

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CODE, NONE, NOT_APPLICABLE
from clip_in_training.scratch.scenes.edits import Edit, sample_edit

Sample = Callable[[str, Random], Edit]
"""Draws an edit of a category."""

APPEARS, SWAPPED = "none <-> x", "x <-> y"
"""Kinds of change: something is there or not; one value is in the place of another."""
DRAWS = 1500
"""Edits of a category that are looked at. What is changed in one of a hundred of them is then met some 15 times."""


def changes(
    categories: Iterable[str], seed: int = 2, sample: Sample = sample_edit, draws: int = DRAWS
) -> dict[str, Counter]:
    """Attribute -> how often ``draws`` edits of each category change it, by kind of change and by value."""
    random = Random(seed)
    found: dict[str, Counter] = {name: Counter() for name in ATTRIBUTES}
    for category in categories:
        for _ in range(draws):
            edit = sample(category, random)
            for name, counts in found.items():
                before, after = edit.source[name], edit.target[name]
                if before != after:
                    counts[APPEARS if NONE in (before, after) else SWAPPED] += 1
                    counts.update({(name, before): 1, (name, after): 1})
    return found


def never_changed(categories: Iterable[str], sample: Sample = sample_edit) -> list[str]:
    """What captions state and no edit of these categories changes, in words: "light: x <-> y", "surface: wood"."""
    missing = []
    for name, counts in changes(categories, sample=sample).items():
        kinds = [SWAPPED, APPEARS] if NONE in ATTRIBUTES[name] else [SWAPPED]
        lacking = [kind for kind in kinds if not counts[kind]]
        missing += [f"{name}: {kind}" for kind in lacking]
        if SWAPPED not in lacking and name not in CODE:
            values = [v for v in ATTRIBUTES[name] if v != NOT_APPLICABLE and not counts[name, v]]
            missing += [f"{name}: {value}" for value in values]
    return missing
