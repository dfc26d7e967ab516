"""Captions of composed scenes, short and long."""

import re
from dataclasses import dataclass
from random import Random

from clip_in_training.small.pictures import damage, phrases
from clip_in_training.small.pictures.edits import BACKGROUND, OTHERS, PLACE, Edit, Fact
from clip_in_training.small.pictures.nature import UPRIGHT, can_be_damaged, turns
from clip_in_training.small.pictures.phrases import be, noun_phrase
from clip_in_training.small.pictures.scene import ALONE, COLUMN, MEDIUM, ROW, Scene, Things

SENTENCE, LABEL, KEYWORDS = "sentence", "label", "keywords"
"""Styles of short captions: "There is a red car on wood.", "a red car on wood", "red car, wood"."""


@dataclass(frozen=True)
class Wording:
    """How a short caption is said: its style, digits for number words, and the seed of its choice of words."""

    style: str
    digits: bool
    seed: int


def sample_wording(random: Random) -> Wording:
    """A wording by chance: 55 % sentences, 30 % labels, 15 % keywords; digits in one of six."""
    style = random.choices((SENTENCE, LABEL, KEYWORDS), (0.55, 0.3, 0.15))[0]
    return Wording(style, random.random() < 1 / 6, random.getrandbits(62))


def choose_said(scene: Scene, random: Random, edit: Edit | None = None) -> frozenset[Fact]:
    """The facts of a short caption: those of the edit, and some that are true of both sides with the same words."""
    said: set[Fact] = set(edit.facts) if edit else set()
    if random.random() < 0.3:
        said.add(BACKGROUND)
    if edit and edit.category in ("presence", "swap"):
        return frozenset(said)
    if random.random() < 0.35 or (len(scene.things) > 1 and random.random() < 0.4):
        said.add(PLACE)
    changed = edit.changed()[0] if edit else ()
    for index, things in enumerate(scene.things):
        if edit and edit.category == "thing" and index in changed:
            continue
        if things.colour and random.random() < 0.6:
            said.add((index, "colour"))
        if things.size != MEDIUM and edit is None and random.random() < 0.5:
            said.add((index, "size"))
        if things.damage != damage.NONE and random.random() < 0.7:
            said.add((index, "damage"))
        if things.turn != UPRIGHT and random.random() < 0.7:
            said.add((index, "turn"))
        if random.random() < 0.4:
            said.add((index, "count"))
    return frozenset(said)


def _stream(seed: int, part: str) -> Random:
    """Choices of one part of a text, so that a part that changes leaves the others as they were."""
    return Random(f"{seed}/{part}")


def short_caption(scene: Scene, said: frozenset[Fact], wording: Wording) -> str:
    """One phrase or sentence that says the facts in `said`, and names the things that these are about."""
    seed = wording.seed
    about = [fact[0] for fact in said if isinstance(fact, tuple)]
    everything = PLACE in said or OTHERS in said or not about or _stream(seed, "all").random() < 0.5
    indices = [k for k in range(len(scene.things)) if everything or k in about]
    parts = [
        noun_phrase(scene.things[k], _properties(said, k), _stream(seed, f"things {k}"), wording.digits)
        for k in indices
    ]
    random = _stream(seed, "background")
    tail = random.choice(phrases.BACKGROUNDS[scene.background]) if BACKGROUND in said else ""
    if wording.style == KEYWORDS:
        return _keywords(scene, parts, tail, said)
    body = _joined(scene, parts, PLACE in said, _stream(seed, "places"))
    if OTHERS in said and len(scene.things) == 1:
        body += random.choice((" and nothing else", " alone", ", nothing else"))
    if tail:
        body = f"{tail}, {body}" if random.random() < 0.2 else f"{body} {tail}"
    if wording.style == LABEL:
        return body
    frame = _stream(seed, "frame").choice(phrases.FRAMES)
    if _WHERE_FIRST.match(body):
        frame = "{x}"
    return sentence(frame.format(x=body, **{"is": be(scene.things[indices[0]])}))


_WHERE_FIRST = re.compile(r"(on|in|at|from|left to|top to)\b")
"""A phrase that begins with a place stands alone."""


def _properties(said: frozenset[Fact], index: int) -> set[str]:
    return {fact[1] for fact in said if isinstance(fact, tuple) and fact[0] == index}


def _keywords(scene: Scene, parts: list[str], tail: str, said: frozenset[Fact]) -> str:
    """Without articles and small words: "red car, left, wood"."""
    words = [re.sub(r"^an? (?!few|single)", "", part) for part in parts]
    if PLACE in said:
        between = {ROW: " left of ", COLUMN: " above ", ALONE: ""}[scene.arrangement]
        words = [between.join(words)] if between else [*words, scene.place]
    if OTHERS in said and len(scene.things) == 1:
        words.append("nothing else")
    for little in ("on a ", "on ", "in front of a ", "in front of "):
        tail = tail.removeprefix(little)
    return ", ".join([*words, tail] if tail else words)


def _joined(scene: Scene, parts: list[str], place: bool, random: Random) -> str:
    """The phrases, with their places if these are said."""
    if not place:
        return _listed(parts, random)
    if scene.arrangement == ALONE:
        where = random.choice(phrases.PLACES[scene.place])
        return f"{parts[0]} {where}" if random.random() < 0.75 else f"{where} {parts[0]}"
    row = scene.arrangement == ROW
    if len(parts) == 2:
        first, second = parts
        forward = ("to the left of", "left of") if row else ("above", "over")
        back = ("to the right of", "right of") if row else ("below", "under")
        ends = ("on the left", "on the right") if row else ("at the top", "at the bottom")
        return random.choice(
            (
                f"{first} {random.choice(forward)} {second}",
                f"{second} {random.choice(back)} {first}",
                f"{first} {ends[0]} and {second} {ends[1]}",
                f"{second} {ends[1]} and {first} {ends[0]}",
            )
        )
    order = random.choice(
        ("from left to right", "left to right") if row else ("from top to bottom", "top to bottom")
    )
    listed = _listed(parts, random)
    return f"{order}: {listed}" if random.random() < 0.5 else f"{listed}, {order}"


def _listed(parts: list[str], random: Random) -> str:
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        return random.choice((" and ", " and ", " with ", " next to ", ", together with ")).join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def long_caption(scene: Scene, seed: int, facts: frozenset[Fact] = frozenset()) -> str:
    """Several sentences that say everything about the scene.

    What is as usual (upright, undamaged, nothing else there) is said by chance, and always if it is among `facts`.
    """
    random = _stream(seed, "order")
    full = [
        noun_phrase(t, {"count", "colour"}, _stream(seed, f"things {k}")) for k, t in enumerate(scene.things)
    ]
    where = _joined(scene, full, True, _stream(seed, "places"))
    frame = random.choice(("the picture shows {x}", "there {is} {x}", "you can see {x}", "{x}"))
    if _WHERE_FIRST.match(where):
        frame = "{x}"
    sentences = [frame.format(x=where, **{"is": be(scene.things[0])})]
    order = list(range(len(scene.things)))
    random.shuffle(order)
    for k in order:
        sentences += _about(scene.things[k], _stream(seed, f"about {k}"), _properties(facts, k))
    random = _stream(seed, "background")
    behind = random.choice(phrases.BACKGROUNDS[scene.background])
    total = sum(t.count for t in scene.things)
    everything = "it lies" if total == 1 else "everything lies"
    sentences.insert(
        random.randint(1, len(sentences)),
        random.choice((f"{everything} {behind}", f"the scene is set {behind}")),
    )
    random = _stream(seed, "end")
    if OTHERS in facts or random.random() < 0.4:
        sentences.append(random.choice(("nothing else is in view", "there is nothing besides")))
    if len(scene.things) > 1 and random.random() < 0.3:
        sentences.append(f"in all, there are {phrases.NUMBERS[total][0]} of them")
    return " ".join(sentence(each) for each in sentences)


def _about(things: Things, random: Random, must: set[str]) -> list[str]:
    """Sentences about size, damage and position of things of one kind."""
    the, is_ = f"the {things.of_noun}", be(things)
    found = []
    if things.size != MEDIUM:
        found.append(f"{the} {is_} {random.choice(phrases.SIZES[things.size])}")
    said = random.random() < 0.25 and can_be_damaged(things.noun)
    if things.damage != damage.NONE or "damage" in must or said:
        phrase = random.choice(phrases.DAMAGE[things.damage]).removeprefix("-")
        have = "has " if things.count == 1 else "have "
        verb = have if phrase.startswith("with ") else f"{is_} "
        found.append(f"{the} {verb}{phrase.removeprefix('with ')}")
    said = random.random() < 0.25 and len(turns(things.noun)) > 1
    if things.turn != UPRIGHT or "turn" in must or said:
        found.append(f"{the} {is_} {random.choice(phrases.turn_phrases(things))}")
    return found


def sentence(text: str) -> str:
    """Upper-case first letter, one full stop."""
    return text[0].upper() + text[1:].rstrip(".") + "."
