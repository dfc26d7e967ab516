"""One edit to learn from: two pictures as the camera saw them, their captions, and what is known about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.common.robustness import vary
from clip_in_training.scratch.data.examples import CODE_LENGTH, place_row
from clip_in_training.scratch.losses.attributes import UNKNOWN
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, NONE
from clip_in_training.scratch.scenes.generate import edit_pair as drawn_pair
from clip_in_training.scratch.scenes.generate import stream
from clip_in_training.scratch.scenes.layout import PLAIN, Variety
from clip_in_training.scratch.scenes.setting import ALL, SEEN, WIDE, Setting
from clip_in_training.scratch.scenes.wide.captions import stated_attributes
from clip_in_training.scratch.scenes.wide.edits import WIDE_CATEGORIES
from clip_in_training.small.pictures.backgrounds import floor
from clip_in_training.small.pictures.edits import CATEGORIES as COMPOSED
from clip_in_training.small.pictures.generate import edit_pair as composed_pair
from clip_in_training.small.recipe import DataRecipe
from clip_in_training.small.typefaces import typefaces

DAMAGED = "damaged"
"""A column beside the attributes: captions may say whether something is damaged, and not how."""
COLUMNS = [*ATTRIBUTES, DAMAGED]
STREAM = 41
"""Separates the choices here from other uses of the seed."""


@dataclass(frozen=True)
class Drawn:
    """Both sides of an edit; arrays have one row a side."""

    category: str
    pixels: np.ndarray
    """uint8 [2, size, size, 3]."""
    texts: list[tuple[str, str]]
    """The wordings; the sides of each differ in what the edit changed."""
    labels: np.ndarray
    """int64 [2, COLUMNS], `UNKNOWN` for composed scenes."""
    stated: np.ndarray
    """bool [2, COLUMNS]: what the captions determine. A picture with other values is a negative."""
    places: np.ndarray
    """float32 [2, CODE_LENGTH, 2]: where the code's characters are, NaN for none."""


class Drawer:
    """Draws edits by number; the same number gives the same edit."""

    def __init__(self, recipe: DataRecipe):
        """Raises `DataError` if typefaces are not installed."""
        self.recipe = recipe
        scenes = SEEN if recipe.held_out else ALL
        self.plain = Setting(WIDE, scenes, variety=PLAIN)
        self.varied = (
            Setting(WIDE, scenes, variety=Variety(typefaces(), floor)) if recipe.varied else self.plain
        )
        self.weights = {
            name: _shares(kinds, given)
            for name, kinds, given in (
                ("drawn", WIDE_CATEGORIES, recipe.categories),
                ("composed", COMPOSED, recipe.composed_categories),
            )
        }

    def __call__(self, number: int) -> Drawn:
        """The edit of a number. Raises `DataError` if pictures of composed scenes are missing."""
        rng = np.random.default_rng([self.recipe.seed, STREAM, number])
        composed = rng.random() < self.recipe.composed
        long = rng.random() < self.recipe.long
        kinds, shares = self.weights["composed" if composed else "drawn"]
        category = str(rng.choice(kinds, p=shares))
        own = stream(self.recipe.seed, "train", f"small {category} {composed}", number)
        return self._composed(category, own, long, rng) if composed else self._drawn(category, own, long, rng)

    def _drawn(self, category: str, own: np.random.Generator, long: bool, rng: np.random.Generator) -> Drawn:
        setting = self.varied if rng.random() < self.recipe.varied else self.plain
        pair = drawn_pair(category, own, self.recipe.image_size, setting)
        sides = (pair.source, pair.target)
        texts = [(pair.source.caption_long, pair.target.caption_long)]
        if not long:
            texts = [(pair.source.caption, pair.target.caption)]
            for _ in range(self.recipe.wordings - 1):
                seed = int(rng.integers(2**62))
                source, target = (
                    setting.short(side.attributes, set(side.said), Random(seed)) for side in sides
                )
                texts.append((source, target))
        pixels, matrices = self._varied(sides, rng)
        labels, stated = zip(
            *(_labels(side.attributes, None if long else side.said) for side in sides), strict=True
        )
        places = np.stack([place_row([list(place) for place in side.code_places]) for side in sides])
        homogeneous = np.concatenate([places, np.ones_like(places[..., :1])], axis=-1)
        moved = np.einsum("sij,scj->sci", matrices, homogeneous)
        return Drawn(category, pixels, texts, np.stack(labels), np.stack(stated), moved.astype(np.float32))

    def _composed(
        self, category: str, own: np.random.Generator, long: bool, rng: np.random.Generator
    ) -> Drawn:
        pair = composed_pair(category, own, self.recipe.image_size)
        sides = (pair.source, pair.target)
        source, target = (side.caption_long if long else side.caption for side in sides)
        pixels, _ = self._varied(sides, rng)
        return Drawn(
            f"composed {category}",
            pixels,
            [(source, target)],
            np.full((2, len(COLUMNS)), UNKNOWN, np.int64),
            np.zeros((2, len(COLUMNS)), bool),
            np.full((2, CODE_LENGTH, 2), np.nan, np.float32),
        )

    def _varied(self, sides, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        pixels = np.stack([np.asarray(side.image.convert("RGB")) for side in sides])
        return vary(pixels, self.recipe.robustness, rng, [side.keep for side in sides])


def _shares(kinds: Sequence[str], given: dict[str, float]) -> tuple[list[str], np.ndarray]:
    weights = np.array([given.get(kind, 1.0) for kind in kinds])
    if not weights.sum():
        raise DataError("every category has the weight 0: give at least one of them more")
    return list(kinds), weights / weights.sum()


def _labels(attributes: dict[str, str], said: frozenset[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Labels and what is stated, of one side; `said` is None for a long caption, which states everything."""
    labels = [ATTRIBUTES[name].index(attributes[name]) for name in ATTRIBUTES]
    labels.append(int(attributes["defect"] != NONE))
    if said is None:
        return np.array(labels), np.ones(len(COLUMNS), bool)
    stated = stated_attributes(set(said)) | ({DAMAGED} if "damage" in said else set())
    return np.array(labels), np.array([name in stated for name in COLUMNS])
