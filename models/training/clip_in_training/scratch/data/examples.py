"""Drawn scenes as arrays: pixels, captions, attribute labels."""

import hashlib
import io
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from clip_in_training.common.whole_file import replacing
from clip_in_training.scratch.data.shards import DataError, read_rows, shards
from clip_in_training.scratch.losses.attributes import UNKNOWN

CODE_LENGTH = 3
"""Most characters of a printed code."""

SIDES = ("source", "target")
_IMAGE_COLUMNS = {"source": "source_image", "target": "edited_image"}


@dataclass
class Examples:
    """Scenes, and for edits their sides next to each other.

    `pixels` uint8 [rows, sides, size, size, 3]; `short` and `long` captions [rows][sides]; `labels` int64
    [rows, sides, attributes] in the order of the attribute table; `places` float32
    [rows, sides, CODE_LENGTH, 2], (x, y) of the code's characters in units of the picture's side, NaN where
    there is none; `category` one name a row ("scene" for single scenes). `sides` is 2 for edits (source,
    target) and 1 for scenes.
    """

    pixels: np.ndarray
    short: list[tuple[str, ...]]
    long: list[tuple[str, ...]]
    labels: np.ndarray
    places: np.ndarray
    category: np.ndarray

    def __len__(self) -> int:
        return len(self.category)


def label_row(attributes: str, table: dict[str, list[str]]) -> list[int]:
    """The labels of one scene from its JSON object of attributes; `UNKNOWN` for a missing or unknown value."""
    values = json.loads(attributes)
    return [
        names.index(str(values[name])) if str(values.get(name)) in names else UNKNOWN
        for name, names in table.items()
    ]


def place_row(places: list[list[float]] | None) -> np.ndarray:
    """Positions of a code's characters as float32 [CODE_LENGTH, 2], padded with NaN."""
    row = np.full((CODE_LENGTH, 2), np.nan, np.float32)
    for i, place in enumerate((places or [])[:CODE_LENGTH]):
        row[i] = place
    return row


def load_edits(folder: Path, size: int, table: dict[str, list[str]], limit: int | None = None) -> Examples:
    """Reads `edits-*.parquet`; at most `limit` rows."""
    columns = [*_IMAGE_COLUMNS.values(), "category"]
    columns += [
        f"{side}_{name}"
        for side in SIDES
        for name in ("caption", "caption_long", "attributes", "code_places")
    ]
    return _load(folder, "edits", columns, size, table, limit)


def load_scenes(folder: Path, size: int, table: dict[str, list[str]], limit: int | None = None) -> Examples:
    """Reads `scenes-*.parquet`; at most `limit` rows."""
    return _load(
        folder,
        "scenes",
        ["image", "caption", "caption_long", "attributes", "code_places"],
        size,
        table,
        limit,
    )


def _load(folder: Path, kind: str, columns: list[str], size: int, table, limit) -> Examples:
    """Reads rows and decodes their images, or reads the pixels from the cache of an earlier run beside the
    shards.
    """
    image_columns = list(_IMAGE_COLUMNS.values()) if kind == "edits" else ["image"]
    cache = _cache_path(folder, kind, size, limit)
    cached = cache.is_file()
    if cached:
        columns = [c for c in columns if c not in image_columns]
    rows: list[dict[str, Any]] = []
    encoded: list[list[bytes]] = []
    for row in read_rows(folder, kind, columns):
        if limit is not None and len(rows) == limit:
            break
        encoded.append([row.pop(c)["bytes"] for c in image_columns] if not cached else [])
        rows.append(row)
    if cached:
        pixels = np.load(cache, mmap_mode="r")
    else:
        pixels = _decode(encoded, len(image_columns), size, cache, str(folder))
    prefixes = [f"{side}_" for side in SIDES] if kind == "edits" else [""]
    labels = [[label_row(row[f"{p}attributes"], table) for p in prefixes] for row in rows]
    return Examples(
        pixels=pixels,
        short=[tuple(row[f"{p}caption"] for p in prefixes) for row in rows],
        long=[tuple(row[f"{p}caption_long"] for p in prefixes) for row in rows],
        labels=np.array(labels, dtype=np.int64).reshape(len(rows), len(prefixes), len(table)),
        places=np.array([[place_row(row[f"{p}code_places"]) for p in prefixes] for row in rows], np.float32),
        category=np.array([row.get("category", "scene") for row in rows]),
    )


def _cache_path(folder: Path, kind: str, size: int, limit: int | None) -> Path:
    """The path of the pixel cache. Its name depends on the shards, so that new shards get a new cache."""
    found = shards(folder, kind)
    if not found:
        raise DataError(f"no {kind}-*.parquet in {folder}; run `python -m clip_in_training generate` first")
    identity = "".join(f"{p.name}{p.stat().st_size}{p.stat().st_mtime_ns}" for p in found) + f"{size}{limit}"
    return folder / f"pixels-{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.npy"


def _decode(encoded: list[list[bytes]], sides: int, size: int, cache: Path, origin: str) -> np.ndarray:
    """Decodes all images to one array on disk; reading a memory map of it repeatedly costs nothing."""
    for stale in cache.parent.glob(f"{cache.name.rsplit('-', 1)[0]}-*.npy"):
        stale.unlink()
    with replacing(cache) as partial:
        shape = (len(encoded), sides, size, size, 3)
        pixels = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)

        def decode(index: int) -> None:
            for side, data in enumerate(encoded[index]):
                try:
                    with Image.open(io.BytesIO(data)) as image:
                        array = np.asarray(image.convert("RGB"))
                except OSError as error:
                    raise DataError(f"row {index} of {origin} has an unreadable image: {error}") from error
                if array.shape[:2] != (size, size):
                    raise DataError(
                        f"row {index} of {origin} is {array.shape[:2]}, but the recipe says {size}x{size}"
                    )
                pixels[index, side] = array

        with ThreadPoolExecutor(max_workers=2) as pool:
            done = pool.map(decode, range(len(encoded)))
            quiet = not sys.stderr.isatty()
            for _ in tqdm(done, total=len(encoded), desc=f"decoding {origin}", unit="row", disable=quiet):
                pass
        pixels.flush()
    return np.load(cache, mmap_mode="r")
