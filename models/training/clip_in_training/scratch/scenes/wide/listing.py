"""Captions that are lists: keywords ("cracked bolt, left, red") and records ("object: bolt; colour: red")."""

from __future__ import annotations

from clip_in_training.scratch.scenes import words
from clip_in_training.scratch.scenes.attributes import NONE, code_of
from clip_in_training.scratch.scenes.wide import parts, vocabulary
from clip_in_training.scratch.scenes.wide.parts import quoted
from clip_in_training.scratch.scenes.wide.wording import Wording

_KEYS: dict[str, tuple[str, ...]] = {
    "object": ("object", "part", "item", "what"),
    "color": ("colour", "color"),
    "shape": ("shape", "type", "variant"),
    "state": ("state", "status"),
    "defect": ("condition", "defect", "damage", "quality"),
    "orientation": ("direction", "points", "orientation"),
    "position": ("position", "place", "where"),
    "items": ("small parts", "parts", "beside it", "also"),
    "extra": ("extra", "other object", "besides"),
    "code": ("code", "tag", "label", "text"),
    "surface": ("surface", "background", "ground"),
    "viewpoint": ("view", "camera", "viewpoint"),
    "light": ("light", "lamp"),
}
_VIEWS: dict[str, tuple[str, ...]] = {
    "top": ("top view", "from above", "overhead"),
    "front": ("front view", "from the front", "tilted front view"),
    "left": ("view from the left", "left side view"),
    "right": ("view from the right", "right side view"),
    "close": ("close-up", "close up", "close view"),
    "far": ("distant view", "from far away", "long shot"),
}
_LIGHTS = ("light from {}", "light from the {}", "lit from {}", "lamp {}")
_LIGHTS_NAMED = ("{}", "from {}", "from the {}", "on the {}")
_TOWARD = ("pointing {}", "points {}", "facing {}", "{tip} {}")
_CODES = ("code {}", "tag {}", "label {}", "marked {}")
_NO_CODE = ("no tag", "no code", "no label")
_CLEAN = ("no defect", "no damage", "ok", "undamaged", "flawless")


def _values(attributes: dict[str, str], said: set[str], wording: Wording, named: bool) -> dict[str, str]:
    """Fact -> its shortest words. ``named``: the fact's name stands beside them."""
    unseen = wording.style.unseen_words
    found: dict[str, str] = {"object": wording.phrase("object", attributes["object"])}
    for name in ("color", "shape", "state"):
        if name in said:
            found[name] = _bare(wording.phrase(name, attributes[name]))
    condition = parts.condition(attributes, said, wording)
    if condition:
        clean = attributes["defect"] == NONE and not unseen
        found["defect"] = wording.pick("clean", _CLEAN) if clean else _bare(condition)
    if "orientation" in said:
        frame = "{}" if named else wording.pick("toward", _TOWARD)
        found["orientation"] = frame.format(attributes["orientation"], tip=words.TIP[attributes["object"]])
    if "position" in said:
        place = attributes["position"]
        found["position"] = wording.pick("position", (place, wording.phrase("position", place)))
    if "items" in said:
        found["items"] = parts.small_parts(attributes, said, wording)
    if "extra" in said:
        found["extra"] = wording.phrase("extra", attributes["extra"]).removeprefix("a ")
    if "code" in said:
        frame, text = "{}" if named else wording.pick("code", _CODES), code_of(attributes)
        found["code"] = frame.format(quoted(text, wording)) if text else wording.pick("no code", _NO_CODE)
    if "surface" in said:
        phrase = wording.phrase("surface", attributes["surface"])
        found["surface"] = wording.pick(
            "surface short", (phrase, phrase.removeprefix("on a ").removeprefix("on "))
        )
    if "viewpoint" in said:
        phrase = wording.phrase("viewpoint", attributes["viewpoint"])
        found["viewpoint"] = phrase if unseen else wording.pick("view short", _VIEWS[attributes["viewpoint"]])
    if "light" in said:
        found["light"] = wording.pick("light short", _LIGHTS_NAMED if named else _LIGHTS).format(
            attributes["light"]
        )
    return found


def _bare(phrase: str) -> str:
    return phrase.removeprefix("-").removeprefix("with ")


def keywords(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    """The facts without a sentence around them; adjectives stand before the noun, or after it."""
    found = _values(attributes, said, wording, False)
    noun = found.pop("object")
    for name in ("state", "defect", "color"):
        value = found.get(name, "")
        if value and _is_adjective(name, attributes[name], value) and wording.chance(f"{name} before") < 0.5:
            noun = f"{found.pop(name)} {noun}"
    rest = wording.shuffled("keywords", list(found.values()))
    separator = wording.pick("separator", (", ", ", ", " ", " / ", "; "))
    first = wording.chance("noun first") < 0.8
    return [separator.join([noun, *rest] if first else [*rest, noun])]


def _is_adjective(name: str, value: str, phrase: str) -> bool:
    if name == "color":
        return True
    adjectives = vocabulary.SEEN[name][value] + (vocabulary.DAMAGED if name == "defect" else ())
    return f"-{phrase}" in adjectives


def record(attributes: dict[str, str], said: set[str], wording: Wording) -> list[str]:
    """Name and value of each fact: "object: bolt; colour: red; small parts: three nuts"."""
    found = _values(attributes, said, wording, True)
    mark = wording.pick("mark", (": ", " = ", " "))
    pairs = [wording.pick(f"key {name}", _KEYS[name]) + mark + value for name, value in found.items()]
    pairs = [pairs[0], *wording.shuffled("record", pairs[1:])]
    separator = wording.pick("separator", ("; ", ", ", " | ", " - "))
    return [separator.join(pairs)]
