"""Blocks of edits on disk: maps of the frozen tower, captions, and what is known. A block is written as a whole."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from clip_in_training.common.errors import DataError
from clip_in_training.common.whole_file import replace_text

BLOCK = 128
"""Edits a block."""
MAPS = ("stride4", "stride8", "stride16", "stride32", "pooled")
"""float16 [edits, 2, …] each."""
KNOWN = ("labels", "stated", "places", "logits")
SETTINGS, TEXTS = "settings.json", "texts.json"


@dataclass(frozen=True)
class Block:
    """One block; arrays are [edits, 2, …]."""

    maps: dict[str, np.ndarray]
    known: dict[str, np.ndarray]
    texts: list[list[list[str]]]
    """[edits][wordings][sides]."""
    categories: list[str]

    def __len__(self) -> int:
        return len(self.categories)


def write_block(folder: Path, number: int, block: Block) -> None:
    """Writes a block; a call that is stopped leaves none."""
    target = _path(folder, number)
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, array in (block.maps | block.known).items():
        np.save(partial / f"{name}.npy", array)
    content = {"texts": block.texts, "categories": block.categories}
    (partial / TEXTS).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    partial.replace(target)


def read_block(path: Path) -> Block:
    """Reads a block; its arrays stay on disk until they are used."""
    arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in (*MAPS, *KNOWN)}
    content = json.loads((path / TEXTS).read_text(encoding="utf-8"))
    return Block(
        {name: arrays[name] for name in MAPS},
        {name: arrays[name] for name in KNOWN},
        content["texts"],
        content["categories"],
    )


def has_block(folder: Path, number: int) -> bool:
    """Whether the block is finished."""
    return _path(folder, number).is_dir()


def blocks(folder: Path) -> Iterator[Path]:
    """All finished blocks in order. Raises `DataError` if there is none."""
    found = sorted(path for path in folder.glob("block-*") if path.suffix == "")
    if not found:
        raise DataError(f"no blocks in {folder}: run `python -m clip_in_training.small.data.prepare` first")
    yield from found


def keep_settings(folder: Path, settings: dict) -> None:
    """Notes how the blocks are made. Raises `DataError` if the folder has blocks of other settings."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SETTINGS
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise DataError(f"{folder} was made with other settings, which {path} has: remove the folder")
    replace_text(path, json.dumps(settings, sort_keys=True))


def fingerprint(folder: Path) -> str:
    """sha256 in hex over the settings and the number of blocks, which determine the data."""
    text = (folder / SETTINGS).read_text(encoding="utf-8") + str(len(list(blocks(folder))))
    return sha256(text.encode()).hexdigest()


def _path(folder: Path, number: int) -> Path:
    return folder / f"block-{number:05d}"
