"""The last touch on a caption: a typing error, capitals, a full stop."""

from __future__ import annotations

import re
from functools import cache
from random import Random

from clip_in_training.scratch.scenes.wide import vocabulary
from clip_in_training.scratch.scenes.wide.wording import Wording

_WORD = re.compile(r"\b[A-Za-z][a-z]{3,}\b")
"""Codes have three characters at most, and no small letters."""


@cache
def known_words() -> frozenset[str]:
    """All words of the vocabulary; a typing error must not turn one of them into another."""
    phrases = [
        p
        for table in (vocabulary.SEEN, vocabulary.UNSEEN)
        for t in table.values()
        for v in t.values()
        for p in v
    ]
    phrases += [p for pairs in vocabulary.ITEM.values() for pair in pairs for p in pair]
    return frozenset(word for phrase in phrases for word in re.findall("[a-z]+", phrase.lower()))


def misspelt(text: str, random: Random) -> str:
    """One word of four letters or more with two letters transposed, one missing, or one doubled. Its first and last
    letters stay; codes are left alone. The text itself if there is no such word.
    """
    found = list(_WORD.finditer(text))
    random.shuffle(found)
    for match in found * 3:
        word = match[0]
        at = random.randrange(1, len(word) - 2)
        wrong = random.choice(
            (
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at + 1 :],
                word[: at + 1] + word[at:],
            )
        )
        if wrong != word and wrong.lower() not in known_words():
            return text[: match.start()] + wrong + text[match.end() :]
    return text


def finished(sentences: list[str], wording: Wording) -> str:
    """The sentences as one text, in the wording's style."""
    style = wording.style
    texts = [" ".join(text.split()).rstrip(".") for text in sentences if text.strip()]
    if style.capital:
        texts = [text[0].upper() + text[1:] for text in texts]
    text = ". ".join(texts) + ("." if style.stop else "")
    # A stream that the wording does not share with its phrases: both sides of an edit err at the same place, mostly.
    return misspelt(text, Random(f"{wording.seed}/misspelt")) if style.typo else text
