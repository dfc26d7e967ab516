"""Names of emoji in words, in several languages: what the package `emoji` lists, read as data."""

import json
from functools import cache

from clip_in_training.small.packages import EMOJI, packaged

LANGUAGES = ("en", "ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
"""Languages of the names."""

_VARIATION = "\ufe0f"


@cache
def emoji_table(language: str = "en") -> dict[str, tuple[str, ...]]:
    """Emoji (see `bare`) to its names, the usual one first: "hot beverage". Only English ones have others.

    Raises `DataError` without the package, and ValueError for a language that it does not have.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no names in {language!r}; known: {', '.join(LANGUAGES)}")
    english = packaged(EMOJI)
    if language == "en":
        entries = json.loads(english.read_text(encoding="utf-8"))
        listed = {each: (entry["en"], *entry.get("alias", ())) for each, entry in entries.items()}
    else:
        translated = english.with_name(f"emoji_{language}.json").read_text(encoding="utf-8")
        listed = {each: (name,) for each, name in json.loads(translated).items()}
    return {bare(each): tuple(map(_plain, names)) for each, names in listed.items()}


def bare(characters: str) -> str:
    """An emoji without the sign that asks for its coloured form."""
    return characters.replace(_VARIATION, "")


def _plain(short: str) -> str:
    """ ":cat_face:" in words: "cat face"."""
    return short.strip(":").replace("_", " ")
