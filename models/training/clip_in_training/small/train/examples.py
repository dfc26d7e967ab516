"""All blocks of a folder as rows of edits, with the numbers of their texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clip_in_training.small.data.store import MAPS, Block, blocks, read_block
from clip_in_training.small.model.image_tower import Maps


@dataclass(frozen=True)
class Examples:
    """Edits; a row is one."""

    blocks: list[Block]
    where: np.ndarray
    """int64 [rows, 2]: block, and place in it."""
    texts: list[list[list[int]]]
    """[rows][wordings][sides]: numbers of texts, over all blocks."""
    categories: np.ndarray

    def __len__(self) -> int:
        return len(self.categories)

    def text(self, row: int, wording: int, side: int) -> str:
        """A caption."""
        block, place = self.where[row]
        return self.blocks[block].texts[place][wording][side]

    def maps(self, entries: Sequence[tuple[int, int]]) -> Maps:
        """The maps of some pictures (row, side), fp32, channels last: a step takes three quarters of the time."""
        return Maps(*(_channels_last(self._stack(entries, "maps", name)) for name in MAPS))

    def known(self, entries: Sequence[tuple[int, int]], name: str) -> Tensor:
        """One of `store.KNOWN`, of some pictures."""
        return self._stack(entries, "known", name)

    def _stack(self, entries: Sequence[tuple[int, int]], kind: str, name: str) -> Tensor:
        rows = []
        for row, side in entries:
            block, place = self.where[row]
            rows.append(getattr(self.blocks[block], kind)[name][place, side])
        return torch.from_numpy(np.stack(rows))


def _channels_last(values: Tensor) -> Tensor:
    if values.dim() < 4:
        return values.float()
    return values.to(torch.float32, memory_format=torch.channels_last)


def load_examples(folder: Path, most: int) -> Examples:
    """All blocks of a folder, with at most so many wordings of a side. Raises `DataError` if there is none."""
    found = [_cut(read_block(path), most) for path in blocks(folder)]
    where, texts, count = [], [], 0
    for number, block in enumerate(found):
        for place, wordings in enumerate(block.texts):
            where.append((number, place))
            texts.append([[count + 2 * k, count + 2 * k + 1] for k in range(len(wordings))])
            count += 2 * len(wordings)
    categories = np.array([name for block in found for name in block.categories])
    return Examples(found, np.array(where, np.int64), texts, categories)


def _cut(block: Block, most: int) -> Block:
    return replace(block, texts=[wordings[:most] for wordings in block.texts])


def texts_of(block: Block) -> list[str]:
    """All captions of a block in the order of `Examples.texts`."""
    return [text for wordings in block.texts for both in wordings for text in both]
