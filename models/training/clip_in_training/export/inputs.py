"""Images and texts for comparison and for int8 calibration, if there is no recipe that provides them."""

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
"""Number of images, and of texts, of a folder to use for calibration; as many as `variants.subject` takes."""
LEAST_IMAGES = 16
"""With fewer images the ranges of activations are not reliable."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class Inputs:
    """The images and texts for one purpose."""

    pixels: np.ndarray
    """uint8 [rows, size, size, 3]"""
    texts: list[str]


@dataclass(frozen=True)
class Material:
    """Inputs for comparing runtimes, and separate inputs for calibration."""

    checked: Inputs
    calibration: Callable[[], Inputs]
    """Drawn on first use, because only some precisions need them."""
    description: str
    """A description for the model card."""


def scenes(size: int, split: str = "test") -> tuple[np.ndarray, list[str]]:
    """Draws scenes, uint8 [rows, size, size, 3], with captions; each split gets its own."""
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
    """Reads the images anywhere below `folder`, and as texts the lines of its .txt files. Without texts it uses
    captions of drawn scenes.

    Every fourth image and text is for comparison and the others are for calibration, so that the distances in the
    manifest are measured on the caller's own data. Raises `DataError` if there are too few images or if one of them
    cannot be read.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(paths) < LEAST_IMAGES:
        raise DataError(
            f"{folder} has {len(paths)} images ({', '.join(SUFFIXES)}); "
            f"calibration needs at least {LEAST_IMAGES}"
        )
    pixels = np.stack([_read(path, backbone) for path in _some(paths)])
    lines = _some([line for path in sorted(folder.rglob("*.txt")) for line in _lines(path)])
    texts = lines or scenes(64, "validation")[1]
    (rest, checked), (more, compared) = _split(range(len(pixels))), _split(texts)
    # Parity runs batches of up to 32 and always includes unusual texts.
    shown = np.resize(np.array(checked), max(ROWS, len(checked)))
    return Material(
        Inputs(pixels[shown], [*compared, *TEXTS]),
        lambda: Inputs(pixels[rest], more),
        f"{len(pixels)} images and {len(texts)} texts of a folder"
        + ("" if lines else " that had no texts: captions of drawn scenes"),
    )


def _some(items: list) -> list:
    """Selects items at even distances over the whole list."""
    places = np.linspace(0, len(items) - 1, min(len(items), CALIBRATED + CALIBRATED // 3)).astype(int)
    return [items[place] for place in places]


def _split(items: Sequence) -> tuple[list, list]:
    """Splits a list: all but every fourth; every fourth."""
    return [x for i, x in enumerate(items) if i % 4], [x for i, x in enumerate(items) if i % 4 == 0]


def _read(path: Path, backbone: Backbone) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return backbone.preprocess(image).numpy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a readable image ({error}); remove it from the folder") from error


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from error
