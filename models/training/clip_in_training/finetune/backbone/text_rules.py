"""The tokenizer of a backbone as a `tokenizers` object, so that training reads what the server will read."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from clip_in_training.finetune.backbone.backbone import TextRules
from clip_in_training.scratch.tokenizer.training import save_tokenizer


class TokenizerRules(TextRules):
    """A bundle's rules: start token (if there is one), tokens, end token, padding to the right."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        context_length: int,
        pad_to: str,
        start_id: int | None,
        end_id: int,
        pad_id: int,
    ):
        if pad_to not in ("longest", "context_length"):
            raise ValueError(f"pad_to is longest or context_length, not {pad_to!r}")
        self.tokenizer, self.context_length, self.pad_to = tokenizer, context_length, pad_to
        self.start_id, self.end_id, self.pad_id = start_id, end_id, pad_id
        self.tokenizer.encode_special_tokens = True

    def ids(self, text: str) -> list[int]:
        """The ids of one text, not padded; a text that is too long loses its tail, never its end token."""
        start = [] if self.start_id is None else [self.start_id]
        tokens = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [*start, *tokens[: self.context_length - len(start) - 1], self.end_id]

    def pad(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Rows of `ids` as int64 [batch, length]: as long as the longest row, or always the context."""
        width = max((len(row) for row in rows), default=0)
        if self.pad_to == "context_length":
            width = self.context_length
        padded = torch.full((len(rows), width), self.pad_id, dtype=torch.int64)
        for index, row in enumerate(rows):
            padded[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
        return padded

    def save(self, path: Path) -> None:
        """Writes `tokenizer.json` as the server reads it."""
        save_tokenizer(self.tokenizer, path)

    def __setstate__(self, state: dict) -> None:
        """Reading processes are sent rules; a tokenizer forgets this switch on the way."""
        self.__dict__.update(state)
        self.tokenizer.encode_special_tokens = True

    def with_context(self, context_length: int) -> "TokenizerRules":
        """The same rules with another longest text."""
        return TokenizerRules(
            self.tokenizer, context_length, self.pad_to, self.start_id, self.end_id, self.pad_id
        )
