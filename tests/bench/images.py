"""Test images: photograph-like content with realistic decoding cost, drawn from a seed.

Natural images have a spectrum that falls with frequency, smooth shading, hard edges and sensor noise. Each of these
is included, in proportions that give a quality-90 JPEG of 1920x1080 the size of a camera's file. Nothing is
downloaded or committed.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.bench.paths import CACHE

DIFFERENT = 8
"""Number of images per size, so that no result depends on one picture. (No server here caches images.)"""

SENSOR_NOISE, COLOUR_NOISE = 3.0, 1.0
"""Standard deviations in levels of 255; cameras smooth the colour channels."""


def photograph(width: int, height: int, seed: int) -> Image.Image:
    """A picture; the same seed gives the same picture."""
    rng = np.random.default_rng([width, height, seed])
    canvas = Image.fromarray(_clouds(rng, width, height, 3))
    for _ in range(30):
        _object(canvas, rng)
    pixels = np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.6)), np.float32)
    texture = _clouds(rng, width, height, 1, falling=0.9).astype(np.float32) - 128
    noise = rng.normal(0, SENSOR_NOISE, texture.shape) + rng.normal(0, COLOUR_NOISE, pixels.shape)
    pixels = pixels + 0.25 * texture + noise
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def jpegs(width: int, height: int, count: int = DIFFERENT) -> list[bytes]:
    """JPEG files, quality 90, 4:2:0; cached in .cache until this file changes."""
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    folder = CACHE / f"bench-images-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{width}x{height}-{seed}.jpg" for seed in range(count)]
    for seed, file in enumerate(files):
        if not file.exists():
            _write(file, photograph(width, height, seed))
    return [file.read_bytes() for file in files]


def describe(files: list[bytes]) -> str:
    """Size of the files in KB."""
    sizes = [len(file) / 1000 for file in files]
    return f"{len(files)} different JPEGs (quality 90, 4:2:0) of {min(sizes):.0f}-{max(sizes):.0f} KB"


def _write(file: Path, image: Image.Image) -> None:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=90, subsampling="4:2:0")
    partial = file.with_suffix(".part")
    partial.write_bytes(encoded.getvalue())
    partial.rename(file)


def _clouds(rng, width: int, height: int, channels: int, falling: float = 1.3) -> np.ndarray:
    """Noise whose amplitude falls as 1 / frequency**falling, stretched to 0..255."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    planes = []
    for _ in range(channels):
        spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / frequency**falling
        spectrum[0, 0] = 0
        plane = np.fft.irfft2(spectrum, (height, width))
        planes.append(128 + 45 * plane / plane.std())
    if channels > 1:  # chroma varies less than brightness in natural scenes
        mean = sum(planes) / channels
        planes = [mean + 0.3 * (plane - mean) for plane in planes]
    stacked = planes[0] if channels == 1 else np.stack(planes, axis=-1)
    stacked = stacked if channels > 1 else stacked[..., None]
    return np.clip(stacked, 0, 255).astype(np.uint8)


def _object(canvas: Image.Image, rng) -> None:
    """A shaded object with hard edges."""
    width, height = canvas.size
    w, h = (max(8, int(side * rng.uniform(0.05, 0.25))) for side in (width, height))
    x, y = int(rng.integers(-w // 2, width - w // 2)), int(rng.integers(-h // 2, height - h // 2))
    mask = Image.new("L", (w, h), 0)
    shape = rng.integers(3)
    draw = ImageDraw.Draw(mask)
    if shape == 0:
        draw.ellipse((0, 0, w - 1, h - 1), fill=235)
    elif shape == 1:
        draw.rectangle((0, 0, w - 1, h - 1), fill=235)
    else:
        draw.polygon([tuple(rng.uniform(0, (w, h))) for _ in range(5)], fill=235)
    start, stop = rng.uniform(0, 255, (2, 3))
    ramp = np.linspace(0, 1, w)[None, :, None] * np.ones((h, 1, 1))
    canvas.paste(Image.fromarray((start + (stop - start) * ramp).astype(np.uint8)), (x, y), mask)
