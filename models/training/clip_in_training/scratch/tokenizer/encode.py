"""Converts texts to padded token ids, by the rules of `docs/src/reference/bundle.md`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor

SPECIAL_TOKENS = ["<|pad|>", "<|startoftext|>", "<|endoftext|>"]
PAD_ID, START_ID, END_ID = 0, 1, 2


class SpecialIds(NamedTuple):
    """Ids of the special tokens, which represent no characters."""

    start: int = START_ID
    end: int = END_ID
    pad: int = PAD_ID


class TextEncoder:
    """Converts texts to ids [batch, length]: start, tokens, end, padding up to the longest text."""

    def __init__(self, tokenizer: Tokenizer, context_length: int, special: SpecialIds | None = None):
        self.tokenizer = tokenizer
        self.context_length = context_length
        self.special = special or SpecialIds()
        self.vocabulary_size = tokenizer.get_vocab_size()

    def ids(self, text: str) -> list[int]:
        """The ids of one text without padding. A text that is too long is cut but keeps its end token."""
        tokens = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [self.special.start, *tokens[: self.context_length - 2], self.special.end]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """int64 ids [batch, length] of some texts."""
        return pad([self.ids(text) for text in texts], self.special.pad)


def pad(rows: Sequence[Sequence[int]], pad_id: int = PAD_ID) -> Tensor:
    """Joins rows of ids to one int64 tensor as wide as the longest row."""
    width = max((len(row) for row in rows), default=0)
    padded = torch.full((len(rows), width), pad_id, dtype=torch.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return padded


def load_tokenizer(path: Path, context_length: int, special: SpecialIds | None = None) -> TextEncoder:
    """Reads a bundle's `tokenizer.json`; raises FileNotFoundError if it is not there."""
    if not path.is_file():
        raise FileNotFoundError(f"no tokenizer at {path}")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    return TextEncoder(tokenizer, context_length, special)
