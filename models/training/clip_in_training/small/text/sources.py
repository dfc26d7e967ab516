"""Words and texts of the pinned packages and of the drawn scenes; the same call gives the same list."""

import gzip
from collections.abc import Iterator
from functools import cache
from random import Random
from zlib import crc32

from open_clip import IMAGENET_CLASSNAMES

from clip_in_training.scratch.scenes.attributes import sample_attributes
from clip_in_training.scratch.scenes.captions import choose_said, long_caption, short_caption
from clip_in_training.small.emoji_names import emoji_table
from clip_in_training.small.packages import FREQUENCIES, GLOSSES, NOUNS, packaged

INSPECTION = tuple(
    """
    scratched dented cracked chipped rusty bent torn stained dirty dusty oily wet corroded worn faded broken
    misaligned missing loose burnt melted frayed punctured discoloured blurred smeared peeling warped leaking
    defective damaged intact flawless undamaged clean polished new used faulty scuffed pitted porous tarnished
    """.split()
)
"""What inspection says of a part."""
PARTS = tuple(
    """
    bolt screw nut washer gear bearing spring bracket hinge valve gasket pipe hose cable connector resistor capacitor
    chip circuit board solder joint weld seam coating lens bottle cap label carton tile fabric thread leather metal
    glass ceramic plastic rubber casting flange rivet pin clip handle panel cell wafer sensor
    """.split()
)
"""What inspection looks at."""


@cache
def frequencies() -> dict[str, int]:
    """How often a word occurs in a million sentences of news."""
    return {
        word: int(count) for word, count in _rows(gzip.open(packaged(FREQUENCIES), "rt", encoding="utf-8"))
    }


HELD_OUT_EVERY = 20
"""One lemma of so many is held out."""


def glosses_of(held_out: bool) -> list[tuple[str, list[str]]]:
    """The lemmas that only measurements read, or the others."""
    return _divided()[held_out]


@cache
def _divided() -> tuple[list[tuple[str, list[str]]], list[tuple[str, list[str]]]]:
    held = [crc32(lemma.encode()) % HELD_OUT_EVERY == 0 for lemma, _ in glosses()]
    pairs = list(zip(glosses(), held, strict=True))
    return [row for row, out in pairs if not out], [row for row, out in pairs if out]


@cache
def glosses() -> list[tuple[str, list[str]]]:
    """Lemmas of Open English WordNet with their glosses."""
    rows = _rows(gzip.open(packaged(GLOSSES), "rt", encoding="utf-8"))
    return [(lemma, [one.strip() for one in glosses.split(" | ")]) for lemma, glosses in rows]


@cache
def common_nouns() -> list[str]:
    """Nouns that the news use as well, in dictionary order."""
    known = frequencies()
    return [
        noun for noun in packaged(NOUNS).read_text(encoding="utf-8").split("\n") if known.get(noun, 0) >= 20
    ]


@cache
def emoji_names() -> list[str]:
    """English names of emoji, "hot beverage"; flags of countries and skin tones among them."""
    return sorted({names[0] for names in emoji_table().values()})


def class_names() -> list[str]:
    """The names of ImageNet's 1,000 classes, as CLIP's authors reworded them."""
    return list(IMAGENET_CLASSNAMES)


def scene_captions(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """The short and the long caption of `count` scenes; nothing is drawn."""
    for number in range(count):
        random = Random(f"{seed} {number}")
        attributes = sample_attributes(random)
        yield (
            short_caption(attributes, choose_said(attributes, random), random),
            long_caption(attributes, random),
        )


def _rows(file) -> Iterator[tuple[str, str]]:
    """The two columns of a file."""
    with file:
        for line in file:
            first, tab, second = line.rstrip("\n").partition("\t")
            if tab:
                yield first, second
