"""Images and texts to measure an export on, and to calibrate int8 on, where no recipe brings any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from clip_in_training.common.errors import DataError
from clip_in_training.export.golden import TEXTS
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.scratch.scenes.generate import edit_pair, stream

SCENE_SEED = 30_000
ROWS = 33
"""One more than the largest batch that parity runs."""
CALIBRATED = 200
"""Images, and texts, of a folder that are looked at for calibration; as many as `variants.subject` takes."""
LEAST_IMAGES = 16
"""Fewer give no range of activations."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class Inputs:
    """What one purpose needs."""

    pixels: np.ndarray
    """uint8 [rows, size, size, 3]"""
    texts: list[str]


@dataclass(frozen=True)
class Material:
    """Inputs to compare runtimes on, and others to calibrate on."""

    checked: Inputs
    calibration: Callable[[], Inputs]
    """Drawn only when a precision needs them."""
    description: str
    """In words, for the model card."""


def scenes(size: int, split: str = "test") -> tuple[np.ndarray, list[str]]:
    """Drawn scenes, uint8 [rows, size, size, 3], and texts to compare runtimes on; others for each split."""
    pairs = [edit_pair("color", stream(SCENE_SEED, split, "color", index), size) for index in range(ROWS)]
    pixels = np.stack([np.asarray(pair.source.image.convert("RGB")) for pair in pairs])
    captions = [text for pair in pairs for text in (pair.source.caption, pair.source.caption_long)]
    return pixels, [*captions[: ROWS - len(TEXTS)], *TEXTS]


def drawn(size: int) -> Material:
    """Scenes for both."""
    return Material(
        Inputs(*scenes(size)),
        lambda: Inputs(*scenes(size, "validation")),
        f"{ROWS} drawn scenes and their captions",
    )


def from_folder(folder: Path, backbone: Backbone) -> Material:
    """Images anywhere below `folder`, and texts: the lines of its .txt files. Where it has none, captions of
    scenes.

    Every fourth image and text is compared on and the others are calibrated on, so that the distances in the
    manifest are those on the caller's own data. Raises `DataError` if there are too few images or one of
    them cannot be read.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(paths) < LEAST_IMAGES:
        raise DataError(
            f"{folder} has {len(paths)} images ({', '.join(SUFFIXES)}); "
            f"calibration needs {LEAST_IMAGES} at least"
        )
    pixels = np.stack([_read(path, backbone) for path in _some(paths)])
    lines = _some([line for path in sorted(folder.rglob("*.txt")) for line in _lines(path)])
    texts = lines or scenes(64, "validation")[1]
    (rest, checked), (more, compared) = _split(range(len(pixels))), _split(texts)
    # Parity runs batches of up to 32, and odd texts belong to it always.
    shown = np.resize(np.array(checked), max(ROWS, len(checked)))
    return Material(
        Inputs(pixels[shown], [*compared, *TEXTS]),
        lambda: Inputs(pixels[rest], more),
        f"{len(pixels)} images and {len(texts)} texts of a folder"
        + ("" if lines else " that had no texts: captions of drawn scenes"),
    )


def _some(items: list) -> list:
    """At even distances over the whole folder."""
    places = np.linspace(0, len(items) - 1, min(len(items), CALIBRATED + CALIBRATED // 3)).astype(int)
    return [items[place] for place in places]


def _split(items: Sequence) -> tuple[list, list]:
    """All but every fourth; every fourth."""
    return [x for i, x in enumerate(items) if i % 4], [x for i, x in enumerate(items) if i % 4 == 0]


def _read(path: Path, backbone: Backbone) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return backbone.preprocess(image).numpy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a readable image ({error}); take it out of the folder") from error


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from error
