"""Which of the 30,522 pieces the small tower keeps, and the tokenizer that is left.

Every single character stays, at the start of a word and within one, so every text that the whole vocabulary can spell
can still be spelt: a word that loses its piece falls into shorter ones. So a smaller vocabulary costs tokens and,
until stage 1 has taught the tower what the shorter pieces mean together, meaning.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterable, Mapping

from tokenizers import Tokenizer

from clip_in_training.small.text.sources import (
    INSPECTION,
    PARTS,
    class_names,
    emoji_names,
    frequencies,
    glosses,
    scene_captions,
)

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""They get the ids 0 to 3."""
PAD_ID, UNKNOWN_ID, START_ID, END_ID = range(4)
SCENES = 2000
"""Scenes whose captions are read for the choice."""
FIRST = 100_000_000
"""The count of what comes first: more than the news have of any word."""


def word_counts() -> Counter[str]:
    """How much each text of the sources counts: words by their frequency, names and captions with more weight.

    The pieces of captions, of class names, of emoji and of inspection come before those of the news: they are what
    the tower is for.
    """
    counts: Counter[str] = Counter()
    for word, count in frequencies().items():
        counts[word] += count
    for _, meanings in glosses():
        for meaning in meanings:
            counts[meaning] += 1
    for name in (*class_names(), *emoji_names(), *INSPECTION, *PARTS):
        counts[name] += FIRST
    for short, long in scene_captions(SCENES, 0):
        counts[short] += FIRST
        counts[long] += FIRST
    return counts


def choose(described: Mapping, size: int, counts: Mapping[str, int]) -> list[str]:
    """The `size` pieces that are kept: special ones, single characters, then those that `counts` use most.

    `described` is a published `tokenizer.json`. Order: special pieces, then as in the published vocabulary. Raises
    `ValueError` if `size` has no room for the characters.
    """
    published: dict[str, int] = described["model"]["vocab"]
    kept = {piece for piece in published if _is_character(piece)} | set(SPECIAL)
    if size < len(kept):
        raise ValueError(
            f"the special pieces and the single characters alone are {len(kept)}, but size is {size}"
        )
    # Pieces that no text uses come last, in the published order, which is that of their frequency there.
    for piece in (*(piece for piece, _ in _used(described, counts).most_common()), *published):
        if len(kept) == size:
            break
        if not piece.startswith("[") or piece in SPECIAL:
            kept.add(piece)
    rest = sorted((piece for piece in kept if piece not in SPECIAL), key=published.__getitem__)
    return [*SPECIAL, *rest]


def trimmed(described: Mapping, pieces: Iterable[str]) -> Tokenizer:
    """The published tokenizer with these pieces only; ids count from 0 in their order.

    Special pieces have no spelling in a text ("[SEP]" is a bracket, a word and a bracket), and none are added to one:
    the server does that by the bundle's ids.
    """
    changed = copy.deepcopy(dict(described))
    changed["model"]["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    changed |= {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    tokenizer = Tokenizer.from_str(json.dumps(changed))
    tokenizer.encode_special_tokens = True
    return tokenizer


def changed_words(described: Mapping, pieces: list[str], words: Mapping[str, int]) -> dict[str, float]:
    """The share of words and of their occurrences that other pieces spell now; tokens a word before and after."""
    whole, small = _plain(described), trimmed(described, pieces)
    listed = list(words)
    before = [encoding.tokens for encoding in whole.encode_batch(listed, add_special_tokens=False)]
    after = [encoding.tokens for encoding in small.encode_batch(listed, add_special_tokens=False)]
    total = sum(words.values())
    other = [word for word, old, new in zip(listed, before, after, strict=True) if old != new]
    return {
        "words": len(other) / len(listed),
        "occurrences": sum(words[word] for word in other) / total,
        "tokens_before": sum(len(row) * words[word] for word, row in zip(listed, before, strict=True))
        / total,
        "tokens_after": sum(len(row) * words[word] for word, row in zip(listed, after, strict=True)) / total,
    }


def _used(described: Mapping, counts: Mapping[str, int]) -> Counter[str]:
    """How often each piece stands in the texts."""
    texts = list(counts)
    used: Counter[str] = Counter()
    for text, encoding in zip(
        texts, _plain(described).encode_batch(texts, add_special_tokens=False), strict=True
    ):
        for piece in encoding.tokens:
            used[piece] += counts[text]
    return used


def _plain(described: Mapping) -> Tokenizer:
    return trimmed(described, described["model"]["vocab"])


def _is_character(piece: str) -> bool:
    return len(piece.removeprefix("##")) == 1
