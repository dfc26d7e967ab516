"""The parts of a caption: the object with its adjectives, the small parts, and where everything is."""

from __future__ import annotations

from dataclasses import dataclass

from clip_in_training.scratch.scenes import words
from clip_in_training.scratch.scenes.attributes import NONE, NOT_APPLICABLE, code_of
from clip_in_training.scratch.scenes.wide import vocabulary
from clip_in_training.scratch.scenes.wide.wording import Wording

_POINTING = (
    "pointing {toward}",
    "facing {toward}",
    "with its {tip} pointing {toward}",
    "its {tip} pointing {toward}",
    "directed {toward}",
    "with the {tip} turned {toward}",
    "whose {tip} points {toward}",
)
_BESIDE = (
    "with {} beside it",
    "with {} nearby",
    "and {}",
    "as well as {}",
    "with {} next to it",
    "plus {}",
    "together with {}",
)
_ALONE = ("with {}", "and {}", "with {} beside it", "with {} nearby")


@dataclass(frozen=True)
class Parts:
    """Phrases for what a caption says; None where it does not."""

    noun: str
    thing: str
    """The noun with article, adjectives and what follows: "a cracked red bolt pointing left"."""
    place: str | None
    items: str | None
    relation: str
    """Where the small parts are, seen from the object: "to the left of"."""
    beside: str | None
    """The extra object with its preposition: "with a coin nearby"."""
    extra: str | None
    surface: str | None
    light: str | None
    view: str | None


def split(attributes: dict[str, str], said: set[str], wording: Wording) -> Parts:
    """The phrases of a caption that mentions ``said`` (see `captions.choose_said`)."""

    def told(name: str) -> str | None:
        return wording.phrase(name, attributes[name]) if name in said else None

    noun = wording.phrase("object", attributes["object"])
    extra, nothing = told("extra"), attributes["extra"] == NONE
    return Parts(
        noun=noun,
        thing=thing(attributes, said, wording, noun),
        place=told("position"),
        items=small_parts(attributes, said, wording) if "items" in said else None,
        relation=words.ITEMS_FROM_OBJECT[attributes["position"]],
        beside=wording.pick("beside", _ALONE if nothing else _BESIDE).format(extra) if extra else None,
        extra=extra,
        surface=told("surface"),
        light=told("light"),
        view=told("viewpoint"),
    )


def small_parts(attributes: dict[str, str], said: set[str], wording: Wording) -> str:
    """The small parts: "three small red washers"; colour and size only where ``said``."""
    found = [wording.count(attributes["count"])]
    if "item_size" in said:
        found.append(wording.phrase("item_size", attributes["item_size"]))
    if "item_color" in said:
        found.append(wording.phrase("item_color", attributes["item_color"]))
    one, several = wording.pick("item", vocabulary.ITEM[attributes["item"]])
    return " ".join([*found, one if attributes["count"] == "1" else several])


def pointing(attributes: dict[str, str], wording: Wording) -> str:
    """Where the object points, behind its noun."""
    toward = wording.phrase("orientation", attributes["orientation"])
    tip = words.TIP[attributes["object"]]
    frame = wording.pick("pointing", _POINTING)
    if tip == "prongs":
        frame = frame.replace("points", "point")
    return frame.format(toward=toward, tip=tip)


def code(attributes: dict[str, str], wording: Wording) -> str:
    """The printed code, or that there is none, behind a noun."""
    text = code_of(attributes)
    if not text:
        return wording.pick("no code", vocabulary.NO_TAG)
    return f"{wording.pick('labelled', vocabulary.LABELLED)} {quoted(text, wording)}"


def quoted(text: str, wording: Wording) -> str:
    """A code in quotation marks, or as it is."""
    return f'"{text}"' if wording.chance("quotes") < 0.7 else text


def condition(
    attributes: dict[str, str], said: set[str], wording: Wording, before: bool | None = None
) -> str | None:
    """The defect, as in the vocabulary; a general word if ``said`` has "damage" in place of "defect"."""
    if "damage" in said and attributes["defect"] != NONE:
        options = [o for o in vocabulary.DAMAGED if before is None or o.startswith("-") == before]
        return wording.pick("damaged", options)
    if said & {"damage", "defect"}:
        return wording.phrase("defect", attributes["defect"], before)
    return None


def thing(attributes: dict[str, str], said: set[str], wording: Wording, noun: str) -> str:
    """The object: at most three adjectives before the noun, the rest behind it."""
    before: list[str] = []
    behind: list[str] = []

    def put(phrase: str | None) -> None:
        if phrase:
            (before if phrase.startswith("-") else behind).append(phrase.removeprefix("-"))

    for name in ("state", "shape"):
        if name in said and attributes[name] != NOT_APPLICABLE:
            put(wording.phrase(name, attributes[name], False if len(before) > 1 else None))
    put(condition(attributes, said, wording, False if len(before) > 1 else None))
    if "color" in said:
        color = wording.phrase("color", attributes["color"])
        before.insert(int(wording.chance("place of the colour") * (len(before) + 1)), color)
    if "orientation" in said and attributes["orientation"] != NOT_APPLICABLE:
        behind.append(pointing(attributes, wording))
    if "code" in said:
        behind.append(code(attributes, wording))
    behind = wording.shuffled("behind", behind)
    if len(behind) > 2:
        behind = [*behind[:-1], "and " + behind[-1]]
    return " ".join([words.article(" ".join([*before, noun])), *behind])
