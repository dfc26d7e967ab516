"""Edits of composed scenes: exactly one thing changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from clip_in_training.small.pictures import damage
from clip_in_training.small.pictures.backgrounds import KINDS as BACKGROUNDS
from clip_in_training.small.pictures.colours import COLOURS
from clip_in_training.small.pictures.nature import (
    TURNS,
    UPRIGHT,
    Pool,
    colours,
    pool,
    pool_for,
    told_apart,
)
from clip_in_training.small.pictures.scene import (
    ALONE,
    COLUMN,
    LARGE,
    MEDIUM,
    MOST,
    PLACES,
    ROW,
    SMALL,
    Scene,
    plain_things,
    sample_nouns,
    sample_scene,
)

PLACE, BACKGROUND, OTHERS = "place", "background", "others"
"""Facts of a whole scene: where things are, what is behind them, and that there is nothing else.

Other facts are (index of the things, name of the property).
"""

Fact = str | tuple[int, str]


@dataclass(frozen=True)
class Edit:
    """Two scenes that differ in one thing."""

    category: str
    source: Scene
    target: Scene
    facts: frozenset[Fact]
    """What captions must say so that the two differ in meaning."""

    def changed(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Indices of the kinds of things that the edit changes, of the source and of the target."""
        return _changed(self.source, self.target), _changed(self.target, self.source)


def sample_edit(category: str, random: Random, which: str = "seen") -> Edit:
    """Draws a scene of a pool ("seen", "held out", "all") and one change.

    Raises ValueError for a category that is not one of `CATEGORIES`.
    """
    if category not in _SAMPLE:
        raise ValueError(f"unknown edit category {category!r}; known: {', '.join(CATEGORIES)}")
    edit = _SAMPLE[category](random, which)
    if random.random() < 0.5:
        return edit
    return replace(edit, source=edit.target, target=edit.source)


def _changed(scene: Scene, other: Scene) -> tuple[int, ...]:
    if len(scene.things) != len(other.things):
        kept = {things.noun for things in other.things}
        return tuple(k for k, things in enumerate(scene.things) if things.noun not in kept)
    if (scene.arrangement, scene.place) != (other.arrangement, other.place):
        return tuple(range(len(scene.things)))
    pairs = zip(scene.things, other.things, strict=True)
    return tuple(k for k, (mine, theirs) in enumerate(pairs) if mine != theirs)


def _thing(random: Random, which: str) -> Edit:
    """Another thing in the same place; in half of the edits one of the same group."""
    things = pool(which)
    scene = sample_scene(things, random)
    index = random.randrange(len(scene.things))
    old = scene.things[index]
    # Properties that the other thing may lack are left away.
    source = scene.with_things(index, **vars(plain_things(old.noun, old.count)))
    others = [t.noun for k, t in enumerate(scene.things) if k != index]
    near = random.random() < 0.5
    for _ in range(200):
        new = random.choice(things.groups[old.noun.group]) if near else things.draw(random)
        if told_apart(new, old.noun) and all(told_apart(new, other) for other in others):
            break
        near = near and random.random() < 0.95
    target = source.with_things(index, **vars(plain_things(new, old.count)))
    return Edit("thing", source, target, frozenset({(index, "noun")}))


def _count(random: Random, which: str) -> Edit:
    most = 1
    while most < 2:
        scene = sample_scene(pool(which), random)
        index = random.randrange(len(scene.things))
        most = MOST - sum(t.count for k, t in enumerate(scene.things) if k != index)
    now = scene.things[index].count
    near = [n for n in (now - 1, now + 1) if 1 <= n <= most]
    far = [n for n in range(1, most + 1) if abs(n - now) > 1]
    then = random.choice(near if random.random() < 0.75 or not far else far)
    source = scene.with_things(index, count=now, size=MEDIUM)
    return Edit("count", source, source.with_things(index, count=then), frozenset({(index, "count")}))


def _place(random: Random, which: str) -> Edit:
    """Things alone are elsewhere, or a row becomes a column."""
    if random.random() < 0.6:
        source = sample_scene(pool(which), random, kinds=1)
        target = replace(source, place=random.choice([p for p in PLACES if p != source.place]))
    else:
        source = sample_scene(pool(which), random, kinds=random.choice((2, 2, 3)))
        target = replace(source, arrangement=COLUMN if source.arrangement == ROW else ROW)
    return Edit("place", source, target, frozenset({PLACE}))


def _swap(random: Random, which: str) -> Edit:
    """Two kinds of things exchange their places, or one of their properties: colour, count, size, damage."""
    what = random.choice(("places", "places", "colour", "count", "size", "damage"))
    within = pool_for(which, what) if what in ("colour", "damage") else pool(which)
    first, second = sample_nouns(within, 2, random)
    scene = sample_scene(pool(which), random, kinds=2, first=first)
    things = [plain_things(first), plain_things(second)]
    if what == "places":
        things = [
            scene.things[0],
            replace(things[1], count=random.choice((1, 1, 2)) if scene.things[0].count < 4 else 1),
        ]
        source = replace(scene, things=tuple(things))
        target = replace(scene, things=tuple(reversed(things)))
        return Edit("swap", source, target, frozenset({PLACE}))
    choices: dict[str, tuple] = {
        "colour": colours(first),
        "count": random.choice(((1, 2, 3), (1, 4))),
        "size": (SMALL, LARGE),
        "damage": (damage.NONE, *damage.KINDS),
    }
    values = random.sample(choices[what], 2)
    source = replace(
        scene, things=tuple(replace(t, **{what: v}) for t, v in zip(things, values, strict=True))
    )
    target = replace(
        scene, things=tuple(replace(t, **{what: v}) for t, v in zip(things, values[::-1], strict=True))
    )
    return Edit("swap", source, target, frozenset({(0, what), (1, what)}))


def _property(
    name: str, values: Callable[[Random], list], random: Random, which: str, needs: str | None
) -> Edit:
    things: Pool = pool_for(which, needs) if needs else pool(which)
    scene = sample_scene(pool(which), random, kinds=random.choice((1, 1, 2)), first=things.draw(random))
    index = 0
    if len(scene.things) == 2 and random.random() < 0.5:
        scene, index = replace(scene, things=scene.things[::-1]), 1
    old, new = values(random)
    if name == "turn":
        scene = scene.with_things(index, damage=damage.NONE)
    if name == "size":
        scene = scene.with_things(index, count=min(2, scene.things[index].count))
    source = scene.with_things(index, **{name: old})
    category = {"colour": "color"}.get(name, name)
    facts: frozenset[Fact] = frozenset({(index, name)})
    return Edit(category, source, source.with_things(index, **{name: new}), facts)


def _color(random: Random, which: str) -> Edit:
    return _property("colour", lambda r: r.sample(COLOURS, 2), random, which, "colour")


def _size(random: Random, which: str) -> Edit:
    return _property("size", lambda r: [SMALL, LARGE], random, which, None)


def _damage(random: Random, which: str) -> Edit:
    def values(r: Random) -> list[str]:
        return [damage.NONE, r.choice(damage.KINDS)] if r.random() < 0.6 else r.sample(damage.KINDS, 2)

    return _property("damage", values, random, which, "damage")


def _turn(random: Random, which: str) -> Edit:
    def values(r: Random) -> list[str]:
        return [UPRIGHT, r.choice(TURNS[1:])] if r.random() < 0.6 else r.sample(TURNS[1:], 2)

    return _property("turn", values, random, which, "turn")


def _presence(random: Random, which: str) -> Edit:
    """Things of another kind are there or not; the others stay where they are."""
    arrangement = random.choice((ROW, COLUMN))
    places = ("left", "right") if arrangement == ROW else ("top", "bottom")
    both = replace(sample_scene(pool(which), random, kinds=2), arrangement=arrangement)
    stays = random.randrange(2)
    alone = Scene((both.things[stays],), ALONE, places[stays], both.background)
    return Edit("presence", alone, both, frozenset({OTHERS}))


def _background(random: Random, which: str) -> Edit:
    source = sample_scene(pool(which), random)
    target = replace(source, background=random.choice([k for k in BACKGROUNDS if k != source.background]))
    return Edit("background", source, target, frozenset({BACKGROUND}))


_SAMPLE: dict[str, Callable[[Random, str], Edit]] = {
    "thing": _thing,
    "count": _count,
    "place": _place,
    "swap": _swap,
    "color": _color,
    "size": _size,
    "damage": _damage,
    "turn": _turn,
    "presence": _presence,
    "background": _background,
}
CATEGORIES = tuple(_SAMPLE)
"""Kinds of edits."""
