"""Pictures for the server's page: photographs that a package ships, and drawn scenes."""

import json
from pathlib import Path

from PIL import Image

from clip_in_training.export.files import write_json
from clip_in_training.export.samples import SIZE, write_samples
from clip_in_training.small.packages import PackagedFile, packaged

SAMPLES, SEED = "samples/samples.json", 20_000
DRAWN = 6
"""Drawn scenes that are kept, so that the page shows two rows."""
PACKAGE = "scikit-image==0.25.2"
CC0, PUBLIC = "CC0-1.0", "public domain"


def _file(name: str, sha256: str, licence: str) -> PackagedFile:
    return PackagedFile(PACKAGE, f"skimage/data/{name}", sha256, licence)


# What is true stands in the middle, so that the order says nothing.
PHOTOGRAPHS = (
    (
        _file("chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb", CC0),
        "a cat",
        ("a photo of a dog", "a rocket", "the face of a tabby cat", "a cup of coffee", "a bird on a branch"),
    ),
    (
        _file("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", CC0),
        "a cup of coffee",
        ("a bowl of soup", "a photo of a cat", "an espresso in a cup", "a laptop on a desk", "old coins"),
    ),
    (
        _file("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c", PUBLIC),
        "a rocket",
        ("a church with a tower", "a sailing boat", "a rocket on its launch pad", "a cat", "a palm tree"),
    ),
    (
        _file("camera.png", "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a", CC0),
        "a man with a camera",
        ("a dog on a lead", "a telephone", "a camera on a tripod", "a bicycle", "a bottle of wine"),
    ),
)


def write_pictures(folder: Path) -> None:
    """Writes samples/*.webp and samples/samples.json: photographs first. Raises `DataError` if one is missing."""
    write_samples(folder, SEED)
    drawn = json.loads((folder / SAMPLES).read_text(encoding="utf-8"))
    for left_out in drawn[DRAWN:]:
        (folder / left_out["file"]).unlink()
    entries = []
    for file, title, texts in PHOTOGRAPHS:
        name = f"samples/{Path(file.path).stem}.webp"
        with Image.open(packaged(file)) as picture:
            shown = picture.convert("RGB")
        shown.thumbnail((SIZE, SIZE), Image.Resampling.LANCZOS)
        shown.save(folder / name, quality=86, method=6)
        entries.append({"file": name, "title": title, "texts": list(texts)})
    write_json(folder / SAMPLES, entries + drawn[:DRAWN])
