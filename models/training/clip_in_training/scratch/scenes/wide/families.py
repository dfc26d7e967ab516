"""Families of templates for short captions. Each is a function from what is said to one or more sentences."""

from __future__ import annotations

from collections.abc import Callable

from clip_in_training.scratch.scenes import held_out
from clip_in_training.scratch.scenes.attributes import NOT_APPLICABLE
from clip_in_training.scratch.scenes.wide import parts, sentences
from clip_in_training.scratch.scenes.wide.listing import keywords, record
from clip_in_training.scratch.scenes.wide.parts import Parts
from clip_in_training.scratch.scenes.wide.wording import Wording

_WITH = (
    "{thing} and {items}",
    "{thing} with {items}",
    "{thing}, together with {items}",
    "{thing} plus {items}",
    "{thing}, accompanied by {items}",
    "{thing} as well as {items}",
    "{thing} and also {items}",
    "{thing} along with {items}",
)
_BESIDE = (
    "{items} next to {thing}",
    "{items} beside {thing}",
    "{items} near {thing}",
    "{items} and {thing}",
    "{items} close to {thing}",
    "{items}, and {thing}",
    "{items} by {thing}",
    "{items} with {thing}",
)
_RELATED = (
    "{items} {relation} {thing}",
    "{items}, {relation} {thing}",
    "{items} placed {relation} {thing}",
    "{items} lying {relation} {thing}",
    "{relation} {thing}: {items}",
)
_INTRO = (
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a photograph of {}",
    "picture of {}",
    "photo of {}",
    "image of {}",
    "this is {}",
    "here is {}",
    "there is {}",
    "here we see {}",
    "the picture shows {}",
    "the image shows {}",
    "the photo shows {}",
    "shown is {}",
    "one can see {}",
    "you can see {}",
    "photo: {}",
    "in the picture: {}",
    "a scene with {}",
    "it is {}",
    "look at {}",
)
_PLACE_FIRST = (
    "{place} there is {rest}",
    "{place} lies {rest}",
    "{place}, {rest}",
    "{place}: {rest}",
    "{place} we see {rest}",
    "{place} one finds {rest}",
)


def _details(found: Parts, wording: Wording, *without: str) -> str:
    """The extra object, surface and light in any order; the view last."""
    options = {"beside": found.beside, "surface": found.surface, "light": found.light}
    told = [text for name, text in options.items() if text and name not in without]
    told = wording.shuffled("details", told)
    separator = wording.pick("between details", (" ", ", "))
    text = separator.join(told)
    view = None if "view" in without else found.view
    return text + (f", {view}" if view and text else view or "")


def _subject(found: Parts, wording: Wording) -> str:
    """The object, its place, and the small parts."""
    where = f"{found.thing} {found.place or ''}".strip()
    if not found.items:
        return where
    if found.place and wording.chance("related") < 0.4:
        frame = wording.pick("related frame", _RELATED)
        return frame.format(items=found.items, relation=found.relation, thing=found.thing)
    return wording.pick("with", _WITH).format(thing=where, items=found.items)


def _and(text: str, details: str, wording: Wording) -> str:
    if not details:
        return text
    return text + wording.pick("before details", (" ", ", ")) + details


def _phrase(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    found = parts.split(attributes, said, wording)
    if found.view and wording.chance("view first") < 0.35:
        rest = _and(_subject(found, wording), _details(found, wording, "view"), wording)
        return [wording.pick("after the view", ("{}: {}", "{}, {}")).format(found.view, rest)]
    return [_and(_subject(found, wording), _details(found, wording), wording)]


def _intro(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    found = parts.split(attributes, said, wording)
    text = _and(_subject(found, wording), _details(found, wording), wording)
    return [wording.pick("intro", _INTRO).format(text)]


def _place_first(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    """What is around the object before the object."""
    found = parts.split(attributes, said, wording)
    first = [name for name in ("place", "surface", "view", "light") if getattr(found, name)]
    if not first:
        return _intro(attributes, said, wording)
    name = wording.pick("what is first", first)
    if name == "place":
        thing = found.thing
        if found.items:
            thing = wording.pick("with", _WITH).format(thing=thing, items=found.items)
        rest = _and(thing, _details(found, wording), wording)
        return [wording.pick("place first", _PLACE_FIRST).format(place=found.place, rest=rest)]
    rest = _and(_subject(found, wording), _details(found, wording, name), wording)
    return [wording.pick("place first", _PLACE_FIRST).format(place=getattr(found, name), rest=rest)]


def _parts_first(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    """The small parts before the object."""
    found = parts.split(attributes, said, wording)
    if not found.items:
        return _phrase(attributes, said, wording)
    # A place behind the object would be read as that of both, so it is said by where the small parts are.
    frame = wording.pick("parts first", _RELATED if found.place else _BESIDE)
    subject = frame.format(items=found.items, relation=found.relation, thing=found.thing)
    return [_and(subject, _details(found, wording), wording)]


def _relative_clauses(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    """Held out: "a bolt which is red and cracked, which lies on the left and next to which there are two nuts"."""
    apart = said & {"color", "defect", "damage"}
    found = parts.split(attributes, said - apart, wording)
    adjectives = [wording.phrase("color", attributes["color"])] if "color" in said else []
    condition = parts.condition(attributes, said, wording, True)
    adjectives += [condition.removeprefix("-")] if condition else []
    clauses = [f"which is {' and '.join(adjectives)}"] if adjectives else []
    if found.place:
        clauses.append(f"which lies {found.place}")
    if found.items:
        clauses.append(f"next to which {'is' if attributes['count'] == '1' else 'are'} {found.items}")
    text = f"{found.thing} " + ", ".join(clauses) if clauses else found.thing
    return [_and(text, _details(found, wording), wording)]


_FAMILIES: dict[str, Callable[[dict[str, str], set[str], Wording], list[str]]] = {
    "phrase": _phrase,
    "intro": _intro,
    "place first": _place_first,
    "parts first": _parts_first,
    "sentences": sentences.some,
    "record": record,
    "keywords": keywords,
    held_out.FAMILY: _relative_clauses,
}


def text(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    """The sentences of a short caption, in the family of the wording's style."""
    apply = {fact for fact in said if attributes.get(fact) != NOT_APPLICABLE}
    return _FAMILIES[wording.style.family](attributes, apply, wording)
