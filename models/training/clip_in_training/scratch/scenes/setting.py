"""How scenes are chosen and put into words: the narrow language or the wide one, with or without what is held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from clip_in_training.scratch.scenes import captions, edits, held_out
from clip_in_training.scratch.scenes.attributes import ALL_CATEGORIES, sample_attributes
from clip_in_training.scratch.scenes.edits import Edit
from clip_in_training.scratch.scenes.layout import PLAIN, Variety
from clip_in_training.scratch.scenes.wide import captions as wide
from clip_in_training.scratch.scenes.wide import edits as wide_edits
from clip_in_training.scratch.scenes.wide.wording import Style

T = TypeVar("T")

NARROW, WIDE = "narrow", "wide"
CATEGORIES: dict[str, list[str]] = {NARROW: ALL_CATEGORIES, WIDE: wide_edits.WIDE_CATEGORIES}
"""Language -> the categories of its edits."""
ALL, SEEN = "all", "seen"


@dataclass(frozen=True)
class Setting:
    """One way to draw; the default is the one that `models/demo` was trained with."""

    language: str = NARROW
    scenes: str = ALL
    """"all": whatever there is. "seen": nothing that `held_out` names. One of `held_out.KINDS`: only scenes in which
    that, and nothing else, is held out; of an edit, at least one side.
    """
    style: Style | None = None
    """The form of every caption of the wide language; it is drawn if it is not given."""
    japanese: float = 0.0
    """Share of scenes and edits with short captions in Japanese, wide language only."""
    variety: Variety = PLAIN
    """Typefaces of codes, and floors."""

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown language or choice of scenes, which would otherwise be drawn for ever."""
        if self.language not in CATEGORIES or self.scenes not in (ALL, SEEN, *held_out.KINDS):
            raise ValueError(f"unknown setting: language {self.language!r}, scenes {self.scenes!r}")

    def edit(self, category: str, random: Random) -> Edit:
        """Draw an edit. Raises ValueError for a category that the language does not have."""
        sample = edits.sample_edit if self.language == NARROW else wide_edits.sample_edit
        return self._drawn(lambda: sample(category, random), _both)

    def change(self, change: wide_edits.Change, random: Random) -> Edit:
        """Draw an edit of one attribute, by kind of change."""
        category = next(name for name, shares in wide_edits.EDITED.items() if change in shares)
        return self._drawn(lambda: wide_edits.sample_change(category, change, random), _both)

    def attributes(self, random: Random) -> dict[str, str]:
        """Draw a scene."""
        sample = sample_attributes if self.language == NARROW else wide_edits.sample_scene
        return self._drawn(lambda: sample(random), lambda attributes: [attributes])

    def _drawn(self, draw: Callable[[], T], sides: Callable[[T], list[dict[str, str]]]) -> T:
        """Draws until it fits; about every second one does, or with something held out, one in ten to thirty."""
        while True:
            drawn = draw()
            if self.scenes == ALL:
                return drawn
            found = set().union(*map(held_out.kinds, sides(drawn)))
            if found == (set() if self.scenes == SEEN else {self.scenes}):
                return drawn

    def said(self, attributes: dict[str, str], random: Random, edit: Edit | None = None) -> set[str]:
        """What the short captions mention."""
        if self.language == NARROW:
            return captions.choose_said(attributes, random, edit.edited if edit else None)
        said = wide.choose_said(attributes, random, edit)
        if self.japanese and random.random() < self.japanese:
            said.add(wide.JAPANESE)
        return said

    def short(self, attributes: dict[str, str], said: set[str], random: Random) -> str:
        """A short caption."""
        if self.language == NARROW:
            return captions.short_caption(attributes, said, random)
        return wide.short_caption(attributes, said, random, self.style)

    def long(self, attributes: dict[str, str], random: Random) -> str:
        """A long caption, in English."""
        if self.language == NARROW:
            return captions.long_caption(attributes, random)
        return wide.long_caption(attributes, random, self.style)


def _both(edit: Edit) -> list[dict[str, str]]:
    return [edit.source, edit.target]


TODAY = Setting()
"""What `models/demo` was trained with, and what its card measures."""
