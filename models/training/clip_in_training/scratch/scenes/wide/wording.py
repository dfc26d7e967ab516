"""How one caption is worded: its style, and a choice for every place in a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from clip_in_training.scratch.scenes import held_out
from clip_in_training.scratch.scenes.wide import vocabulary

T = TypeVar("T")

FAMILIES: dict[str, float] = {
    "phrase": 0.2,
    "intro": 0.14,
    "place first": 0.1,
    "parts first": 0.1,
    "sentences": 0.14,
    "record": 0.1,
    "keywords": 0.22,
}
"""Family of templates -> how often a short caption of the training uses it. `held_out.FAMILY` is one more."""

DIGITS, TYPOS, PLAIN, NO_STOP = 0.4, 0.15, 0.4, 0.5
"""Shares of captions with digits for number words, with a typing error, without capitals, without a full stop."""
PLAINEST: dict[str, float] = {"color": 0.7, "item_color": 0.7, "item_size": 0.5, "object": 0.3}
"""Attribute -> how often its first, plainest phrase is taken before chance decides among all."""


@dataclass(frozen=True)
class Style:
    """The form of a caption, whatever it says."""

    family: str = "phrase"
    """For short captions: a key of `FAMILIES`, or `held_out.FAMILY`."""
    unseen_words: bool = False
    """Held-out synonyms wherever there are some."""
    digits: bool = False
    typo: bool = False
    capital: bool = True
    stop: bool = True
    """A full stop at the end."""


def draw_style(random: Random) -> Style:
    """A style that training may use."""
    return Style(
        family=random.choices(list(FAMILIES), list(FAMILIES.values()))[0],
        digits=random.random() < DIGITS,
        typo=random.random() < TYPOS,
        capital=random.random() >= PLAIN,
        stop=random.random() >= NO_STOP,
    )


HELD_OUT_WORDS = Style(unseen_words=True)
HELD_OUT_FAMILY = Style(family=held_out.FAMILY)


@dataclass(frozen=True)
class Wording:
    """Choices for one caption. Each place has its own stream of random numbers, so that both captions of an edit
    differ where the edit is and nowhere else.
    """

    seed: int
    style: Style

    def _stream(self, place: str) -> Random:
        return Random(f"{self.seed}/{place}")

    def pick(self, place: str, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self._stream(place).random() * len(options))]

    def chance(self, place: str) -> float:
        """A number from 0 to 1."""
        return self._stream(place).random()

    def shuffled(self, place: str, options: Sequence[T]) -> list[T]:
        """The options in another order."""
        return self._stream(place).sample(options, len(options))

    def phrase(self, name: str, value: str, before: bool | None = None) -> str:
        """Words for an attribute's value, as the vocabulary has them. ``before``: only adjectives before the noun, or
        only what follows it, if there is one.
        """
        table = vocabulary.UNSEEN if self.style.unseen_words else vocabulary.SEEN
        options = table[name][value]
        if before is not None:
            # A held-out synonym may be of the other kind only; then the usual words serve.
            both = (options, vocabulary.SEEN[name][value])
            fitting = [tuple(o for o in some if o.startswith("-") == before) for some in both]
            options = fitting[0] or fitting[1]
        if (
            self.chance(f"plain {name}") < PLAINEST.get(name, 0.0)
            and options[0] in vocabulary.SEEN[name][value]
        ):
            return options[0]
        return self.pick(f"phrase {name}", options)

    def count(self, value: str) -> str:
        """A number of parts, in words or as a digit."""
        if self.style.digits:
            return value
        options = vocabulary.SEEN["count"][value]
        return options[0] if self.chance("plain count") < 0.5 else self.pick("count", options)
