"""Other words for the captions of an edit: held-out ones, digits, keywords, typing errors."""

import re
from collections.abc import Callable
from random import Random

from clip_in_training.export.evaluate.drawn import shifts
from clip_in_training.scratch.scenes.generate import EditPair
from clip_in_training.scratch.scenes.wide.captions import short_caption
from clip_in_training.scratch.scenes.wide.wording import HELD_OUT_FAMILY, HELD_OUT_WORDS, Style

Wording = Callable[[EditPair, Random], tuple[str, str]]
"""Captions of source and target in other words."""

_WORD = re.compile(r"\b[A-Za-z][a-z]{3,}\b")


def letter_missing(text: str, random: Random) -> str:
    """One letter inside a word of at least four is missing; codes are left alone."""
    return _with_error(text, random, lambda word, at: word[:at] + word[at + 1 :])


def letter_doubled(text: str, random: Random) -> str:
    """One letter inside a word of at least four occurs twice; codes are left alone."""
    return _with_error(text, random, lambda word, at: word[: at + 1] + word[at:])


def _with_error(text: str, random: Random, change: Callable[[str, int], str]) -> str:
    found = list(_WORD.finditer(text))
    if not found:
        return text
    match = random.choice(found)
    at = random.randrange(1, len(match[0]) - 1)
    return text[: match.start()] + change(match[0], at) + text[match.end() :]


def _changed(change: Callable[[str, Random], str]) -> Wording:
    return lambda pair, random: (change(pair.source.caption, random), change(pair.target.caption, random))


def _styled(style: Style) -> Wording:
    def captions(pair: EditPair, random: Random) -> tuple[str, str]:
        seeds = [random.getrandbits(62) for _ in range(2)]
        said = {*pair.source.said, "color"}
        # As in the edits themselves: one wording for both sides of half of the pairs.
        other = seeds[1] if pair.rejittered else seeds[0]
        source = short_caption(pair.source.attributes, said, Random(seeds[0]), style)
        return source, short_caption(pair.target.attributes, said, Random(other), style)

    return captions


WORDINGS: dict[str, dict[str, Wording]] = {
    "held-out wording": {
        "held-out synonyms": _styled(HELD_OUT_WORDS),
        "held-out templates": _styled(HELD_OUT_FAMILY),
    },
    "digits": {"counts in digits": _changed(shifts.digits)},
    "keywords": {"keywords only": _changed(shifts.keywords)},
    "typing errors": {
        "two letters of a word change places": _changed(shifts.typo),
        "a letter is missing": _changed(letter_missing),
        "a letter is doubled": _changed(letter_doubled),
    },
}
"""Group -> name -> wording. All say the same facts as the captions that the pairs were drawn with."""
