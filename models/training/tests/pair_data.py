"""Corrections of a plant as `clip-in line export` writes them, of drawn parts: good parts and defective ones."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pyarrow as pa
from pyarrow import parquet

from clip_in_training.scratch.scenes.attributes import sample_attributes
from clip_in_training.scratch.scenes.drawing import draw
from clip_in_training.scratch.scenes.generate import IMAGE_TYPE, encoded
from clip_in_training.scratch.scenes.layout import Layout

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source_image", IMAGE_TYPE),
        ("edited_image", IMAGE_TYPE),
        ("source_caption", pa.string()),
        ("target_caption", pa.string()),
        ("edit_prompt", pa.string()),
        ("kind", pa.string()),
        ("part", pa.string()),
        ("lot", pa.string()),
        ("reviewer", pa.string()),
        ("source_of", pa.string()),
        ("line", pa.string()),
        ("line_version", pa.int64()),
        ("model", pa.string()),
    ]
)
"""The columns of the export."""
KINDS = {
    "scratch": ("a mug without a scratch", "a mug with a scratch"),
    "crack": ("a mug without a crack", "a mug with a crack"),
    "dent": ("a mug without a dent", "a mug with a dent"),
    "stain": ("a mug without a stain", "a mug with a stain"),
    "rust": ("a mug without rust", "a rusty mug"),
    "coin": ("a mug with nothing beside it", "a mug with a coin beside it"),
}
"""Kind -> what is said of a good part and of a defective one: few captions, which all pairs of a kind share."""


def row(number: int, split: str, seed: int, size: int, kinds: Sequence[str]) -> dict:
    """One correction; the part lies elsewhere than the reference in two of three."""
    random = Random(f"{split} {seed} {number}")
    good = {**_mug(random), "defect": "none", "extra": "none"}
    kind = kinds[number % len(kinds)]
    bad = {**good, "extra": "coin"} if kind == "coin" else {**good, "defect": kind}
    layout = Layout(random.getrandbits(62))
    other = layout if random.random() < 1 / 3 else Layout(random.getrandbits(62))
    said = KINDS[kind]
    return {
        "id": f"{split}-{number}",
        "source_image": encoded(draw(good, layout, size), f"{number}-source.webp"),
        "edited_image": encoded(draw(bad, other, size), f"{number}-edited.webp"),
        "source_caption": said[0],
        "target_caption": said[1],
        "edit_prompt": f"{kind} appears",
        "kind": kind,
        "part": f"part-{split}-{number}",
        "lot": None,
        "reviewer": "r1",
        "source_of": "reference",
        "line": "mugs",
        "line_version": 3,
        "model": "clip-in",
    }


def write_split(folder: Path, split: str, rows: list[dict]) -> None:
    """Writes one file of the export."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / f"{split}.parquet")


def write_pairs(
    folder: Path, train: int, validation: int, test: int, size: int, seed: int = 1, kinds=tuple(KINDS)
) -> Path:
    """Writes all three files and returns the folder."""
    for split, count in (("train", train), ("validation", validation), ("test", test)):
        write_split(folder, split, [row(number, split, seed, size, kinds) for number in range(count)])
    return folder


def _mug(random: Random) -> dict[str, str]:
    while True:
        found = sample_attributes(random, "defect")
        if found["object"] == "mug":
            return found
