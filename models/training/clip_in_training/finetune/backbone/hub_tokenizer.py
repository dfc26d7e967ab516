"""A tokenizer of the Hub, with the cleaning that open_clip puts before it, as one `tokenizers` object.

open_clip cleans texts in Python and then calls transformers. The server has only `tokenizer.json`, so the
cleaning becomes normalisers in front of the file's own, and training reads texts through the same object.
What `tokenizers` has no normaliser for is left out: repairing mojibake and HTML entities.
"""

import json

from tokenizers import Regex, Tokenizer, normalizers
from transformers import PreTrainedTokenizerBase

from clip_in_training.common.errors import BackboneError

WHITE_SPACE = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
# ftfy's part of the cleaning that matters for written captions: one form of accents, straight quotes.
STRAIGHT = [
    normalizers.NFC(),
    normalizers.Replace(Regex("[\u2018-\u201b\u02bc]"), "'"),
    normalizers.Replace(Regex("[\u201c-\u201f]"), '"'),
]
CLEANING = {
    "whitespace": [*STRAIGHT, *WHITE_SPACE],
    "lower": [*STRAIGHT, *WHITE_SPACE, normalizers.Lowercase()],
    # big_vision's `canonicalize`, which SigLIP was trained with: no ASCII punctuation, lower case.
    "canonicalize": [
        *STRAIGHT,
        normalizers.Replace("_", " "),
        normalizers.Replace(Regex(r"[!-/:-@\[-`{-~]"), ""),
        normalizers.Lowercase(),
        *WHITE_SPACE,
    ],
}


def special_ids(tokenizer: PreTrainedTokenizerBase, name: str) -> tuple[int | None, int]:
    """The token that it puts in front of a text, if it does, and the one behind it."""
    bare = tokenizer("a photo", add_special_tokens=False).input_ids
    whole = tokenizer("a photo").input_ids
    for first in (0, 1):
        if whole[first:-1] == bare and len(whole) == first + len(bare) + 1:
            return (whole[0] if first else None), whole[-1]
    raise BackboneError(
        f"{name}: the tokenizer must put one end token behind a text and at most one token in front of it; "
        f"it makes {whole} of {bare}"
    )


def as_tokenizer_json(original: PreTrainedTokenizerBase, clean: str, name: str) -> Tokenizer:
    """The whole way from a text to ids without special tokens, none of which can be typed.

    Raises `BackboneError` for tokenizers that have no such file, for cleaning that is not known, and if a
    text can spell a special token in spite of all.
    """
    if not getattr(original, "is_fast", False):
        raise BackboneError(f"{name}: its tokenizer has no tokenizer.json, which the server needs")
    if clean not in CLEANING:
        raise BackboneError(f"{name}: cleaning of texts {clean!r} is not known; {', '.join(CLEANING)} are")
    backend = original.backend_tokenizer
    file = json.loads(backend.to_str())
    file["truncation"] = file["padding"] = file["post_processor"] = None
    own = [backend.normalizer] if backend.normalizer is not None else []
    cleaner = normalizers.Sequence(CLEANING[clean])
    special = {token["id"]: token["content"] for token in file["added_tokens"] if token["special"]}
    special |= dict(zip(original.all_special_ids, original.all_special_tokens, strict=True))
    # Added tokens are looked for before normalisers run. Behind open_clip's cleaning, which runs first, only
    # those can be found that it leaves as they are.
    file["added_tokens"] = [
        token
        for token in file["added_tokens"]
        if token["id"] not in special and cleaner.normalize_str(token["content"]) == token["content"]
    ]
    if file["model"]["type"] == "Unigram":
        for number in special:  # Its vocabulary is searched by itself: no piece of a text is empty.
            if number < len(file["model"]["vocab"]):
                file["model"]["vocab"][number][0] = ""
    try:
        tokenizer = Tokenizer.from_str(json.dumps(file))
        tokenizer.normalizer = normalizers.Sequence([*CLEANING[clean], *own])
    except Exception as error:  # The library raises plain exceptions.
        raise BackboneError(f"{name}: its tokenizer cannot be rebuilt ({error})") from error
    tokenizer.encode_special_tokens = True
    _check(tokenizer, special, original.unk_token_id, name)
    return tokenizer


def _check(tokenizer: Tokenizer, special: dict[int, str], unknown: int | None, name: str) -> None:
    for spelling in special.values():
        for text in (spelling, f"a {spelling} b", f"a{spelling}b"):
            found = special.keys() & set(tokenizer.encode(text, add_special_tokens=False).ids) - {unknown}
            if found:
                raise BackboneError(
                    f"{name}: the text {text!r} would become the special token {found.pop()}; the server "
                    "refuses such tokenizers"
                )
