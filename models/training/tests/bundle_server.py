"""Runs the real server on a bundle, and open_clip on the same pictures and texts."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

TEXTS = [
    "a red bolt",
    "A photo of two dogs, three cats & 14 birds.",
    "the label reads K7; it hangs upside down",
    "naïve café, señor",
    "a long text about one small blue washer, " * 12,
]
SHAPES = ((70, 45), (200, 330), (97, 97))
"""Width and height: wide, high, square; none of them is an encoder's input size."""


def pictures(folder: Path) -> list[Path]:
    """Writes one PNG picture of each shape: coarse blocks of colour with noise."""
    random, paths = np.random.default_rng(7), []
    folder.mkdir(parents=True, exist_ok=True)
    for index, (width, height) in enumerate(SHAPES):
        blocks = random.integers(0, 256, (4, 5, 3)).repeat(90, axis=0).repeat(90, axis=1)[:height, :width]
        noisy = (blocks + random.integers(-25, 26, blocks.shape)).clip(0, 255).astype(np.uint8)
        paths.append(folder / f"{index}.png")
        Image.fromarray(noisy).save(paths[-1])
    return paths


def clip_in(*arguments) -> str:
    """Runs the server's binary, checks that it succeeds, and returns its output."""
    binary = os.environ.get("CLIP_IN_BINARY")
    if not binary:
        pytest.skip("CLIP_IN_BINARY is not the path of clip-in")
    root = Path(__file__).resolve().parents[3]
    environment = {"ORT_DYLIB_PATH": str(root / ".cache/onnxruntime/libonnxruntime.so"), **os.environ}
    done = subprocess.run(
        [Path(binary).resolve(), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def scores(bundle: Path, image: Path, texts: list[str]) -> dict:
    """`clip-in score --json` at fp32."""
    told = [part for text in texts for part in ("--text", text)]
    return json.loads(
        clip_in("score", "--json", "--precision", "fp32", "--model", bundle, "--image", image, *told)
    )


def open_clip_cosines(model, preprocess, tokenize, paths: list[Path], texts: list[str]) -> np.ndarray:
    """Computes cosines from files and texts with open_clip's own code, [images, texts]."""
    with torch.inference_mode():
        images = torch.stack([preprocess(Image.open(path)) for path in paths])
        vectors = model.encode_image(images, normalize=True)
        return (vectors @ model.encode_text(tokenize(texts), normalize=True).T).numpy()
