"""The texts that stage 1 learns from: names, phrases, glosses, captions of drawn scenes, and paragraphs of these."""

from collections.abc import Callable, Iterator
from random import Random

from open_clip import OPENAI_IMAGENET_TEMPLATES

from clip_in_training.small.text.sources import (
    INSPECTION,
    PARTS,
    class_names,
    common_nouns,
    emoji_names,
    glosses_of,
    scene_captions,
)

COLOURS = (
    "red orange yellow green blue purple violet pink brown black white grey silver golden dark light".split()
)
NUMBERS = (
    "one two three four five six seven eight nine ten 2 3 4 5 6 7 8 9 10 12 several many no a few".split()
)
PLACES = (
    "on a wooden table",
    "on the floor",
    "on a white background",
    "in a box",
    "in the grass",
    "in the street",
    "on a conveyor belt",
    "in the rain",
    "at night",
    "in a hand",
    "next to a window",
    "under a lamp",
    "on a plate",
    "on a metal surface",
    "in the sky",
    "in the water",
    "on a shelf",
    "behind glass",
    "against a wall",
    "outdoors",
)
RELATIONS = "next to,on top of,below,behind,in front of,to the left of,to the right of,inside".split(",")
VIEWS = (
    "seen from above",
    "seen from the side",
    "close-up",
    "from far away",
    "upside down",
    "out of focus",
    "blurred",
    "pointing to the left",
    "pointing to the right",
    "pointing up",
    "turned by 45 degrees",
    "in bright light",
)


class _Stream(Random):
    """A random stream with the glosses that it may choose."""

    glosses: list[tuple[str, list[str]]]


Kind = Callable[[_Stream], str]
"""Writes a text of one kind."""


def texts(count: int, seed: int, held_out: bool = False) -> Iterator[str]:
    """`count` texts, each of a stream of its own, so that a longer corpus begins with the texts of a shorter one.

    The lemmas and glosses of `held_out` texts stand in no others.

    Half are a few words long, some are sentences, and an eighth are paragraphs of up to a hundred words.
    """
    return _texts(_KINDS, f"text {seed} {held_out}", count, held_out)


def world_texts(count: int, seed: int) -> Iterator[str]:
    """`count` texts about things of the world, none about a drawn scene."""
    kinds = {kind: weight for kind, weight in _KINDS.items() if kind not in (_scene, _paragraph)}
    return _texts(kinds, f"world {seed}", count, held_out=False)


def _texts(kinds: dict[Kind, float], streams: str, count: int, held_out: bool) -> Iterator[str]:
    for number in range(count):
        random = _Stream(f"{streams} {number}")
        random.glosses = glosses_of(held_out)
        kind = random.choices(list(kinds), weights=list(kinds.values()))[0]
        yield _shaken(kind(random), random)


def _name(random: _Stream) -> str:
    return random.choice(random.choice((class_names, common_nouns, emoji_names, lambda: PARTS))())


def _template(random: _Stream) -> str:
    return random.choice(OPENAI_IMAGENET_TEMPLATES)(_name(random))


def _thing(random: _Stream) -> str:
    """A noun with some of what can be said of it."""
    words = [random.choice(NUMBERS) if random.random() < 0.3 else random.choice(("a", "the"))]
    if random.random() < 0.4:
        words.append(random.choice(INSPECTION))
    if random.random() < 0.5:
        words.append(random.choice(COLOURS))
    words.append(_name(random))
    return " ".join(words)


def _phrase(random: _Stream) -> str:
    said = _thing(random)
    if random.random() < 0.4:
        said += f" {random.choice(RELATIONS)} {_thing(random)}"
    if random.random() < 0.5:
        said += f" {random.choice(PLACES)}"
    if random.random() < 0.3:
        said += f", {random.choice(VIEWS)}"
    return said


def _keywords(random: _Stream) -> str:
    words = [_name(random) for _ in range(random.randint(1, 3))] + random.sample(
        INSPECTION + tuple(COLOURS), 2
    )
    random.shuffle(words)
    return random.choice((" ", ", ")).join(words)


def _gloss(random: _Stream) -> str:
    return random.choice(random.choice(random.glosses)[1])


def _defined(random: _Stream) -> str:
    lemma, meanings = random.choice(random.glosses)
    return random.choice(("{}: {}", "{}, {}", "{} - {}", "a photo of {}, {}")).format(
        lemma, random.choice(meanings)
    )


def _scene(random: _Stream) -> str:
    return next(scene_captions(1, random.getrandbits(32)))[random.random() < 0.35]


def _paragraph(random: _Stream) -> str:
    parts: tuple[Callable[[_Stream], str], ...] = (_gloss, _defined, _phrase, _scene)
    written: list[str] = []
    words = random.randint(30, 85)
    while sum(part.count(" ") + 1 for part in written) < words:
        part = random.choice(parts)(random).rstrip(".")
        written.append(part[:1].upper() + part[1:] + ".")
    return " ".join(" ".join(written).split(" ")[: words + 15])


_KINDS: dict[Kind, float] = {
    _name: 0.06,
    _template: 0.12,
    _phrase: 0.2,
    _keywords: 0.05,
    _gloss: 0.15,
    _defined: 0.12,
    _scene: 0.15,
    _paragraph: 0.15,
}


def _shaken(text: str, random: _Stream) -> str:
    """Sometimes as people type: a capital, a full stop, neither, or two letters swapped."""
    if random.random() < 0.3:
        text = text[:1].upper() + text[1:]
    if random.random() < 0.2:
        text = text.rstrip(".") if text.endswith(".") else text + "."
    if random.random() < 0.05 and len(text) > 6:
        at = random.randrange(1, len(text) - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text
