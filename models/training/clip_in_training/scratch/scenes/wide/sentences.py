"""Whole sentences, one for each fact: long captions consist of all of them, short ones of this family of a few."""

from __future__ import annotations

from clip_in_training.scratch.scenes.attributes import NONE, NOT_APPLICABLE, code_of
from clip_in_training.scratch.scenes.wide import parts
from clip_in_training.scratch.scenes.wide.parts import Parts, quoted
from clip_in_training.scratch.scenes.wide.wording import Wording

_FIRST = (
    "there is {thing}",
    "this is {thing}",
    "here is {thing}",
    "we see {thing}",
    "the picture shows {thing}",
    "the image shows {thing}",
    "the photo shows {thing}",
    "one can see {thing}",
    "you can see {thing}",
    "shown is {thing}",
    "it is {thing}",
    "{thing} is shown",
    "{thing} can be seen",
    "{thing}",
)
_PLACE = (
    "it lies {place}",
    "the {noun} lies {place}",
    "it is {place}",
    "the {noun} is {place}",
    "it sits {place}",
    "the {noun} has been put {place}",
    "you find it {place}",
    "{place} is where the {noun} lies",
)
_SURFACE = (
    "everything lies {surface}",
    "all of it is {surface}",
    "it was photographed {surface}",
    "the scene is {surface}",
    "the things lie {surface}",
    "it rests {surface}",
)
_VIEW = (
    "it is shown {view}",
    "the scene is shown {view}",
    "the picture was taken {view}",
    "this is the scene {view}",
    "we look at it {view}",
    "the camera shows it {view}",
)
_LIGHT = (
    "the scene is {light}",
    "it is {light}",
    "everything is {light}",
    "the picture is {light}",
    "the light comes from the {side}",
    "light falls in from the {side}",
    "the lamp stands on the {side}",
    "shadows fall to the {other}",
    "the {side} side is brighter",
    "it is lit from the {side}, so shadows fall to the {other}",
)
_ITEMS = (
    "{items} {lie} {relation} it",
    "{relation} the {noun} there {are} {items}",
    "{items} can be seen {relation} the {noun}",
    "next to it {are} {items}",
    "beside the {noun} {are} {items}",
    "there {are} also {items}",
    "{items} {lie} close to it",
    "{items} {are} placed {relation} the {noun}",
    "it comes with {items}",
    "the {noun} has {items} beside it",
    "in addition there {are} {items}",
)
_CODE = (
    "a tag reads {code}",
    "the printed code is {code}",
    "the {noun} is labelled {code} on a tag",
    "its tag says {code}",
    "the code is {code}",
    "it carries the code {code}",
    "the label reads {code}",
    "{code} is printed on a tag",
    "on the tag is {code}",
    "it has a tag with {code}",
    "one reads {code} on the label",
    "it is marked {code}",
)
_NO_CODE = (
    "no code is printed anywhere",
    "there is no tag",
    "the {noun} carries no label",
    "there is no label",
    "it has no tag",
    "it has no code",
    "a tag is missing",
    "nothing is printed",
    "no label is to be seen",
)
_EXTRA = (
    "{extra} lies there as well",
    "there is also {extra}",
    "{extra} has been put nearby",
    "beside all this there is {extra}",
    "{extra} is in the picture too",
    "one also sees {extra}",
    "somebody put {extra} there",
    "in addition there is {extra}",
    "next to it lies {extra}",
)
_NO_EXTRA = (
    "{extra} is in view",
    "there is {extra} on it",
    "{extra} is there",
    "{extra} can be seen",
    "the picture shows {extra}",
    "there is {extra}",
)
_CONDITION_IS = (
    "it is {}",
    "the {noun} is {}",
    "this {noun} is {}",
    "its condition: {}",
    "you see that it is {}",
)
_CONDITION_HAS = ("it comes {}", "it is one {}", "the {noun} is one {}", "here is one {}")
_POINTS = (
    "its {tip} {points} {toward}",
    "the {noun} faces {toward}",
    "it points {toward}",
    "the {tip} {points} {toward}",
    "it lies with its {tip} pointing {toward}",
    "the {noun} points {toward}",
)


def _condition(attributes: dict[str, str], said: set[str], noun: str, wording: Wording) -> str | None:
    phrase = parts.condition(attributes, said, wording)
    if phrase is None:
        return None
    frames = _CONDITION_IS if phrase.startswith("-") else _CONDITION_HAS
    return wording.pick("condition", frames).format(phrase.removeprefix("-"), noun=noun)


def _points(attributes: dict[str, str], said: set[str], noun: str, wording: Wording) -> str | None:
    if "orientation" not in said or attributes["orientation"] == NOT_APPLICABLE:
        return None
    tip = parts.words.TIP[attributes["object"]]
    points = "point" if tip == "prongs" else "points"
    toward = wording.phrase("orientation", attributes["orientation"])
    return wording.pick("points", _POINTS).format(tip=tip, points=points, toward=toward, noun=noun)


def _code(attributes: dict[str, str], said: set[str], noun: str, wording: Wording) -> str | None:
    if "code" not in said:
        return None
    text = code_of(attributes)
    if not text:
        return wording.pick("no code sentence", _NO_CODE).format(noun=noun)
    return wording.pick("code sentence", _CODE).format(noun=noun, code=quoted(text, wording))


def _around(attributes: dict[str, str], found: Parts, wording: Wording) -> list[str]:
    """Sentences about everything but the object itself."""
    told = []
    if found.items:
        lie, are = ("lies", "is") if attributes["count"] == "1" else ("lie", "are")
        frames = [f for f in _ITEMS if found.place or "{relation}" not in f]
        frame = wording.pick("items sentence", frames)
        told.append(
            frame.format(items=found.items, lie=lie, are=are, relation=found.relation, noun=found.noun)
        )
    if found.extra:
        about = _NO_EXTRA if attributes["extra"] == NONE else _EXTRA
        told.append(wording.pick("extra sentence", about).format(extra=found.extra))
    if found.surface:
        told.append(wording.pick("surface sentence", _SURFACE).format(surface=found.surface))
    if found.view:
        told.append(wording.pick("view sentence", _VIEW).format(view=found.view))
    if found.light:
        side = attributes["light"]
        other = "right" if side == "left" else "left"
        told.append(wording.pick("light sentence", _LIGHT).format(light=found.light, side=side, other=other))
    return told


def some(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    """A sentence that names the object, and one for each other fact in ``said``."""
    apart = {
        fact
        for fact in said & {"orientation", "code", "defect", "damage"}
        if wording.chance(f"{fact} apart") < 0.5
    }
    found = parts.split(attributes, said - apart, wording)
    told = [
        _condition(attributes, said & apart, found.noun, wording),
        _points(attributes, said & apart, found.noun, wording),
        _code(attributes, said & apart, found.noun, wording),
        *_around(attributes, found, wording),
    ]
    if found.place:
        told.append(wording.pick("place sentence", _PLACE).format(place=found.place, noun=found.noun))
    first = wording.pick("first sentence", _FIRST).format(thing=found.thing)
    return [first, *wording.shuffled("sentences", [text for text in told if text])]


EVERYTHING = {
    "color",
    "shape",
    "state",
    "orientation",
    "position",
    "defect",
    "items",
    "item_color",
    "item_size",
    "extra",
    "code",
    "surface",
    "viewpoint",
    "light",
}
"""All facts. What does not apply to an object is not said of it."""


def everything(attributes: dict[str, str], wording: Wording) -> list[str]:
    """Sentences that mention every attribute."""
    return some(attributes, EVERYTHING, wording)
