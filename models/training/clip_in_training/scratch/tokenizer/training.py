"""Trains the byte-level BPE on captions.

All text normalisation (compatibility forms, letter case, white space) is inside `tokenizer.json`, so that any
`tokenizers` runtime does the same. Text in quotes is a printed code: its characters stay single tokens, as do
digits, because a code resembles no word of the vocabulary and each of its characters can be decisive.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from clip_in_training.common.whole_file import replace_text
from clip_in_training.scratch.tokenizer.encode import SPECIAL_TOKENS

# The first two and the last two characters between quotes: codes of up to four characters.
_IN_QUOTES = r'(?<=["“”])[^\s"“”]|[^\s"“”](?=["“”])|(?<=["“”][^\s"“”])[^\s"“”]|[^\s"“”](?=[^\s"“”]["“”])'


def train_tokenizer(captions: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Learns at most `vocabulary_size` tokens, including 256 bytes and the three special ones.

    The special tokens have ids (0 padding, 1 start, 2 end) but no spelling: "<|endoftext|>" in a text is plain
    characters. The same captions in the same order give the same tokenizer.
    """
    if vocabulary_size < 256 + len(SPECIAL_TOKENS):
        raise ValueError(f"a byte-level vocabulary needs at least {256 + len(SPECIAL_TOKENS)} tokens")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            normalizers.Prepend(" "),  # so that the first word gets the same token as elsewhere
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_IN_QUOTES), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    description = json.loads(tokenizer.to_str())
    description["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(description))


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Writes `tokenizer.json`, indented; the same tokenizer gives the same bytes."""
    text = json.dumps(json.loads(tokenizer.to_str()), indent=1, ensure_ascii=False)
    replace_text(path, text + "\n")
