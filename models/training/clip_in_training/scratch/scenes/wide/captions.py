"""What a caption of the wide language says, and the caption."""

from __future__ import annotations

from random import Random

from clip_in_training.scratch.scenes import captions as narrow
from clip_in_training.scratch.scenes.attributes import NONE, NOT_APPLICABLE
from clip_in_training.scratch.scenes.edits import Edit
from clip_in_training.scratch.scenes.wide import families, japanese, sentences
from clip_in_training.scratch.scenes.wide.forms import finished
from clip_in_training.scratch.scenes.wide.wording import Style, Wording, draw_style

BARE, DAMAGE = 0.15, 0.25
"""Shares of captions that name the object and little else, and of mentioned defects of no particular kind."""
NARROW = 0.15
"""Share of captions in the words of the narrow language, so that nothing of it is lost."""

JAPANESE = "japanese"
"""Among the facts of a short caption: it is in Japanese. It is no fact of the scene."""


def choose_said(attributes: dict[str, str], random: Random, edit: Edit | None = None) -> set[str]:
    """Choose the facts of a short caption, as the narrow language does. "color" is one of them here, as bare labels
    go without; "damage" in the place of "defect" means: whether, and not which.
    """
    edited = edit.edited if edit else None
    if random.random() < BARE:
        said = narrow.choose_said(attributes, random, edited, enough=0.0)
        if not edited and random.random() < 0.7:
            label = ("defect", "state", "shape", "color")
            said.add(random.choice([name for name in label if attributes[name] != NOT_APPLICABLE]))
        if edited == "color" or random.random() < 0.5:
            said.add("color")
    else:
        said = narrow.choose_said(attributes, random, edited, silent=("extra",)) | {"color"}
    one_of_two = (
        edit is None or edit.edited != "defect" or NONE in (edit.source["defect"], edit.target["defect"])
    )
    if "defect" in said and one_of_two and random.random() < DAMAGE:
        said = said - {"defect"} | {"damage"}
    return said


def stated_attributes(said: set[str]) -> set[str]:
    """Names of the attributes that these facts determine. Whether something is damaged determines none."""
    facts = said - {"color", "damage", JAPANESE}
    return narrow.stated_attributes(facts) - ({"color"} - said)


def fits(said: set[str], described: dict[str, str], other: dict[str, str]) -> bool:
    """Whether a short caption of the scene ``described`` that mentions these facts is true of another scene too. Such
    a picture is no negative of the caption. Bare labels fit about one scene in thirty.
    """
    if "damage" in said and (described["defect"] == NONE) != (other["defect"] == NONE):
        return False
    return all(described[name] == other[name] for name in stated_attributes(said))


def short_caption(
    attributes: dict[str, str], said: set[str], random: Random, style: Style | None = None
) -> str:
    """One text that mentions the object and exactly the facts in ``said``; ``style`` is drawn if it is not given."""
    wording = Wording(random.getrandbits(62), style or draw_style(random))
    if JAPANESE in said:
        return japanese.caption(attributes, said, wording)
    if style is None and wording.chance("narrow") < NARROW and "color" in said and "damage" not in said:
        return narrow.short_caption(attributes, said - {"color"}, random)
    return finished(families.text(attributes, said, wording), wording)


def long_caption(attributes: dict[str, str], random: Random, style: Style | None = None) -> str:
    """Several sentences that mention every attribute of the scene."""
    wording = Wording(random.getrandbits(62), style or draw_style(random))
    if style is None and wording.chance("narrow") < NARROW:
        return narrow.long_caption(attributes, random)
    return finished(sentences.everything(attributes, wording), wording)
