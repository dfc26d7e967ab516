"""A text to token ids by the text rules of any bundle, as the server does it, without a model of PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer


class TokenIds:
    """`rules` is the manifest's `text`. Raises FileNotFoundError if there is no tokenizer at `path`."""

    def __init__(self, path: Path, rules: dict[str, Any]):
        if not path.is_file():
            raise FileNotFoundError(f"no tokenizer at {path}")
        self.tokenizer = Tokenizer.from_file(str(path))
        self.tokenizer.encode_special_tokens = True
        self.context = int(rules["context_length"])
        self.start = [] if rules["sot_id"] is None else [int(rules["sot_id"])]
        self.end, self.padding = int(rules["eot_id"]), int(rules["pad_id"])
        self.always_full = rules["pad_to"] == "context_length"

    def ids(self, text: str) -> list[int]:
        """Not padded. A text that is too long loses its tail, never its end token."""
        tokens = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [*self.start, *tokens[: self.context - len(self.start) - 1], self.end]

    def pad(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """int64 [rows, length], padded to the right."""
        width = self.context if self.always_full else max(len(row) for row in rows)
        padded = np.full((len(rows), width), self.padding, dtype=np.int64)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row
        return padded
