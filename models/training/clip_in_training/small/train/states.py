"""The frozen text tower's states of all captions, computed once: a training step reads them instead of the texts."""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clip_in_training.finetune.backbone.text_backbone import TextBackbone
from clip_in_training.small.checksum import sha256_of
from clip_in_training.small.text.encode import BATCH
from clip_in_training.small.text.encoder import Encoder
from clip_in_training.small.text.folder import WEIGHTS


class Read(NamedTuple):
    """What the heads read of a batch of texts."""

    first: Tensor
    """States before the first layer, [batch, length, width]."""
    last: Tensor
    """States after the last layer, [batch, length, width]."""
    seen: Tensor
    """bool [batch, length]: no padding."""
    vector: Tensor
    """The encoder's vectors, [batch, width]."""


class States:
    """Last states of texts, on disk, one after the other."""

    def __init__(self, encoder: Encoder, ids: list[list[int]], states: list[np.ndarray]):
        self.encoder, self.ids = encoder, ids
        self.parts = states
        """fp16 [tokens, width] for each text; they stay on disk until they are used."""

    def __len__(self) -> int:
        return len(self.ids)

    @torch.no_grad()
    def read(self, rows: Sequence[int]) -> Read:
        """The texts of some rows."""
        length = max(len(self.ids[row]) for row in rows)
        pad = self.encoder.shape.pad_id
        ids = torch.full((len(rows), length), pad, dtype=torch.int64)
        last = torch.zeros(len(rows), length, self.encoder.shape.width)
        for place, row in enumerate(rows):
            ids[place, : len(self.ids[row])] = torch.tensor(self.ids[row])
            last[place, : len(self.ids[row])] = torch.from_numpy(self.parts[row].astype(np.float32))
        seen = ids != pad
        first = self.encoder.norm(self.encoder.token_embedding(ids))
        return Read(first, last, seen, self.encoder.pool(last, seen))

    def vectors(self) -> Tensor:
        """The encoder's vectors of all texts, [texts, width]."""
        return torch.cat(
            [
                self.read(range(start, min(start + BATCH, len(self)))).vector
                for start in range(0, len(self), BATCH)
            ]
        )


def states_of(backbone: TextBackbone, tower: Path, sets: Sequence[Sequence[str]], cache: Path) -> States:
    """The states of all texts of all sets, in order. Each set has a file in `cache`, so a call that is stopped
    goes on. The file's name depends on the tower's weights and the texts.
    """
    cache.mkdir(parents=True, exist_ok=True)
    weights = sha256_of(tower / WEIGHTS)
    ids: list[list[int]] = []
    parts: list[np.ndarray] = []
    for number, texts in enumerate(sets):
        rows = [backbone.text_rules.ids(text) for text in texts]
        name = sha256("\n".join([weights, *texts]).encode()).hexdigest()[:20]
        path = cache / f"{name}.npy"
        if not path.is_file():
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                np.save(file, _last_states(backbone.encoder, rows))
            os.replace(partial, path)
            print(f"states of texts: {number + 1} of {len(sets)} sets", flush=True)
        flat = np.load(path, mmap_mode="r")
        ends = np.cumsum([len(row) for row in rows])
        parts += [flat[end - len(row) : end] for row, end in zip(rows, ends, strict=True)]
        ids += rows
    return States(backbone.encoder, ids, parts)


@torch.inference_mode()
def _last_states(encoder: Encoder, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """fp16 [all tokens, width]; short texts are encoded with short ones."""
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        ids = torch.full((len(chosen), len(rows[chosen[-1]])), encoder.shape.pad_id, dtype=torch.int64)
        for place, row in enumerate(chosen):
            ids[place, : len(rows[row])] = torch.tensor(rows[row])
        _, last, _ = encoder.read(ids)
        for place, row in enumerate(chosen):
            found[row] = last[place, : len(rows[row])].numpy().astype(np.float16)
    return np.concatenate(found)
