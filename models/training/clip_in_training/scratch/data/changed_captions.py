"""Captions of a scene in which one stated value is another one: hard negatives that are texts alone.

NegCLIP (arXiv 2210.01936) changes words of a caption and adds the result to the texts of a batch. Here the drawing
says which words can change: a question is about one attribute, and its answers say every value in the same words. An
edit asks whether "scratched" or "undamaged" fits; this asks it beside "cracked", "dented" and "rusty", too, as a
person does who wants to know whether a part is good.
"""

from collections.abc import Sequence
from random import Random

import numpy as np

from clip_in_training.scratch.data.shards import DataError
from clip_in_training.scratch.losses.attributes import UNKNOWN
from clip_in_training.scratch.scenes.captions import choose_said, short_caption
from clip_in_training.scratch.scenes.single_changes import single_changes
from clip_in_training.scratch.scenes.wide.captions import short_caption as wide_caption

_ALONE = 0.5
"""Share of the questions that say the attribute, object and colour only; the others are as long as captions are."""


def attributes_of(labels: np.ndarray, table: dict[str, list[str]]) -> dict[str, str]:
    """The scene of a row of labels: attribute -> value. Raises `DataError` if the row lacks one."""
    known = {}
    for (name, values), label in zip(table.items(), labels, strict=True):
        if label == UNKNOWN:
            raise DataError(f"the attribute {name!r} of a scene is unknown; draw the data again")
        known[name] = values[label]
    return known


def captions_of_a_value(scene: dict[str, str], others: int, random: Random, wide: float = 0.0) -> list[str]:
    """`others` + 1 short captions in the same words, the true one first: each says another value of one attribute.

    The attribute is drawn, each equally often. Where it has fewer values there are fewer captions. `wide`: the share
    of questions in the wide language: templates, synonyms, digits, keywords and typing errors.
    """
    found = single_changes(scene, random)
    asked = random.choice(sorted({change.edited for change in found}))
    targets = [change.target for change in found if change.edited == asked]
    targets = random.sample(targets, min(others, len(targets)))
    if random.random() < _ALONE:
        said = choose_said(scene, random, asked, enough=0.0)
    else:
        said = choose_said(scene, random, asked)
    wording = random.getrandbits(62)
    caption = short_caption
    if random.random() < wide:
        caption, said = wide_caption, said | {"color"}
    texts = [caption(attributes, said, Random(wording)) for attributes in (scene, *targets)]
    # A typing error can make one word of two.
    return [texts[0], *(text for text in texts[1:] if text != texts[0])]


def questions(
    labels: Sequence[np.ndarray],
    table: dict[str, list[str]],
    others: int,
    random: np.random.Generator,
    wide: float = 0.0,
) -> list[list[str]]:
    """`captions_of_a_value` for each row of labels."""
    return [
        captions_of_a_value(attributes_of(row, table), others, Random(int(random.integers(2**62))), wide)
        for row in labels
    ]
