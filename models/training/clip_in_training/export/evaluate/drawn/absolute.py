"""One image at a time, without its other side: which of an attribute's values fits best, and false alarms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from clip_in_training.export.evaluate.drawn.pairs import array
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CODE, FAMILIES, NONE, NOT_APPLICABLE
from clip_in_training.scratch.scenes.captions import short_caption
from clip_in_training.scratch.scenes.generate import Scene

ASKED = [name for name in ATTRIBUTES if name not in CODE]
"""A code has too many values to choose from."""
_SAYS = {"object": set(), "color": set(), "item": {"items"}, "count": {"items"}}


@dataclass
class Answers:
    """What was chosen for one attribute, a row a scene that it applies to."""

    chosen: list[str]
    true: list[str]
    chance: float
    """Mean share of a guess that is right, percent."""

    @property
    def right(self) -> int:
        """Scenes whose value was chosen."""
        return sum(a == b for a, b in zip(self.chosen, self.true, strict=True))

    def alarms(self) -> tuple[int, int, int, int]:
        """(found, of those with something, false alarms, of those with nothing), for attributes that can be none."""
        something = [value != NONE for value in self.true]
        said = [value != NONE for value in self.chosen]
        both = list(zip(said, something, strict=True))
        return both.count((True, True)), sum(something), both.count((True, False)), len(both) - sum(something)


def classify(graphs: Graphs, scenes: Sequence[Scene], names: Sequence[str] = ASKED) -> dict[str, Answers]:
    """Attribute -> answers, for the attributes in `names`. Each candidate is a short caption that says the value
    beside object and colour, all candidates in the same words.
    """
    images = graphs.encode_images(np.stack([array(scene.image) for scene in scenes]))
    asked = {name: list(_questions(name, scenes)) for name in names}
    texts = sorted({text for rows in asked.values() for _, _, said in rows for text in said})
    vectors = graphs.encode_texts(texts)
    place = {text: row for row, text in enumerate(texts)}
    answers = {}
    for name, rows in asked.items():
        chosen, true, chances = [], [], []
        for scene, values, said in rows:
            similarity = vectors[[place[text] for text in said]] @ images[scene]
            chosen.append(values[int(similarity.argmax())])
            true.append(scenes[scene].attributes[name])
            chances.append(100 / len(values))
        answers[name] = Answers(chosen, true, float(np.mean(chances)) if chances else 0.0)
    return answers


def _questions(name: str, scenes: Sequence[Scene]) -> Iterator[tuple[int, list[str], list[str]]]:
    """(scene, values, a caption for each) for every scene that the attribute applies to."""
    for row, scene in enumerate(scenes):
        attributes = scene.attributes
        if attributes[name] == NOT_APPLICABLE:
            continue
        family = FAMILIES[attributes["object"]]
        own = {"shape": family.shapes, "state": family.states}
        values = [value for value in own.get(name, ATTRIBUTES[name]) if value != NOT_APPLICABLE]
        said = _SAYS.get(name, {name, "items"} if name.startswith("item_") else {name})
        texts = [short_caption({**attributes, name: value}, set(said), Random(row)) for value in values]
        yield row, values, texts
