"""Encoded images to Pillow's. Nothing is varied here, and nothing cut: left, right, colours and counts are
what captions speak about, and the encoder's own preprocessing decides about the rest.
"""

import io
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from clip_in_training.finetune.readers.reader import RecordError

LARGEST_FILE = 128 << 20
"""Bytes of an encoded image; what is larger is no photograph. Pillow itself refuses 179 million pixels."""
MOST_NARROW = 50
"""Long side of an image over its short side. A hairline whose short side is resized to the encoder's size
would take gigabytes.
"""


def decode(data: bytes | None, file: str | Path, row: str | int) -> Image.Image:
    """The image in `data`, first frame, all pixels read. Raises `RecordError` naming `file` and `row`."""
    if not data:
        raise RecordError(file, row, "no image")
    if len(data) > LARGEST_FILE:
        raise RecordError(file, row, "image file too large", f"{len(data)} bytes")
    try:
        image = Image.open(io.BytesIO(data))
        if max(image.size) > MOST_NARROW * min(image.size):
            raise RecordError(file, row, "image too narrow", f"{image.width} × {image.height} pixels")
        image.load()
    except RecordError:
        raise
    except UnidentifiedImageError as error:  # Its message is the address of a buffer.
        raise RecordError(file, row, "image does not decode", "unknown format") from error
    # Pillow's plugins raise whatever their parsers run into: struct.error, SyntaxError, IndexError …
    except Exception as error:
        raise RecordError(file, row, "image does not decode", str(error)[:200]) from error
    return image


def read_image(path: Path, file: str | Path, row: str | int) -> Image.Image:
    """The image at `path`, which record `row` of `file` names. Raises `RecordError`."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RecordError(file, row, "image file too large", str(path))
        data = path.read_bytes()
    # ValueError: a NUL byte in the path.
    except (OSError, ValueError) as error:
        reason = "image file missing" if isinstance(error, FileNotFoundError) else "image file unreadable"
        raise RecordError(file, row, reason, str(path)) from error
    try:
        return decode(data, file, row)
    except RecordError as error:
        raise RecordError(file, row, error.reason, f"{path}: {error.detail}") from error
