"""Data sets in their published layouts; the colour of each image identifies its record."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from clip_in_training.finetune.backbone.backbone import TextRules
from clip_in_training.finetune.readers.sources import open_sources
from clip_in_training.finetune.recipe import (
    BackboneRecipe,
    DistilRecipe,
    FinetuneRecipe,
    SourceRecipe,
    TuningRecipe,
)
from clip_in_training.scratch.tokenizer.encode import load_tokenizer, pad

ROOT = Path(__file__).parents[3]


def image(number: int, side: int = 0) -> Image.Image:
    """The image of a record: its colour is (number % 256, number // 256, side)."""
    return Image.new("RGB", (12, 8), (number % 256, number // 256, side))


def encoded(number: int, side: int = 0, kind: str = "png") -> bytes:
    out = io.BytesIO()
    image(number, side).save(out, kind)
    return out.getvalue()


def number_of(shown: Image.Image) -> tuple[int, int]:
    """Record number and side of an image."""
    red, green, blue = shown.convert("RGB").getpixel((0, 0))
    return red + 256 * green, blue


def edit(number: int, **other) -> dict:
    """A row in UltraEdit's layout."""
    row = {
        "source_image": {"bytes": encoded(number, 0), "path": f"{number}-s.png"},
        "edited_image": {"bytes": encoded(number, 1), "path": f"{number}-t.png"},
        "source_caption": f"thing {number} before",
        "target_caption": f"thing {number} after",
        "edit_prompt": "change it",
        "clip_sim_dir": 0.1 + 0.001 * number,
        "clip_sim_image": 0.9,
        "ssim": None if number % 5 == 0 else 0.8,
    }
    return row | other


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    [("source_image", IMAGE), ("edited_image", IMAGE)]
    + [(name, pa.string()) for name in ("source_caption", "target_caption", "edit_prompt")]
    + [(name, pa.float64()) for name in ("clip_sim_dir", "clip_sim_image", "ssim")]
)


def write_edits(path: Path, numbers, group: int = 10, change=lambda row: row, schema=SCHEMA) -> Path:
    """Writes a Parquet file; `change` may damage rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [change(edit(number)) for number in numbers]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=group)
    return path


def write_folder(folder: Path, numbers) -> Path:
    """Images with texts beside them; every second text has a long part."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        image(number).save(folder / f"{number:04}.png")
        long = f"\nThis is thing {number}.\nIt is large.\n" if number % 2 else ""
        (folder / f"{number:04}.txt").write_text(f"thing {number}{long}")
    return folder


def write_tar(path: Path, numbers, captions=None) -> Path:
    """Writes a tar as webdataset does: image, then text, then JSON for every second sample."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            parts = {"png": encoded(number), "txt": f"thing {number}".encode()}
            if number % 2:
                parts["json"] = json.dumps({"caption_long": f"This is thing {number}."}).encode()
            for ending, data in parts.items():
                header = tarfile.TarInfo(f"part/{number:06}.{ending}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return path


class Rules(TextRules):
    """The demo model's tokenizer with a shorter context."""

    pad_to = "longest"

    def __init__(self, context_length: int = 24):
        self.context_length = context_length
        self.tokenize = load_tokenizer(ROOT / "models/demo/tokenizer.json", context_length)

    def ids(self, text: str) -> list[int]:
        return self.tokenize.ids(text)

    def pad(self, rows):
        return pad(rows)

    def with_context(self, context_length: int) -> "Rules":
        return Rules(context_length)

    def save(self, path: Path) -> None:
        raise NotImplementedError


def preprocess(shown: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(shown.convert("RGB").resize((8, 8))))


def source(kind: str, path: Path | str, **other) -> SourceRecipe:
    return SourceRecipe(kind=kind, path=str(path), **other)


def opened(kind: str, path: Path | str, **other):
    """The reader of one source."""
    return open_sources([source(kind, path, **other)])[0]


def recipe(
    pairs: int = 0, singles: int = 0, captions: int = 0, seed: int = 1, workers: int = 0
) -> TuningRecipe:
    return TuningRecipe(
        name="toy",
        description="",
        backbone=BackboneRecipe("bundle:models/demo"),
        seed=seed,
        device="cpu",
        workers=workers,
        finetune=FinetuneRecipe(steps=1 if pairs or singles else 0, pairs=pairs, singles=singles),
        distil=DistilRecipe(steps=1 if captions else 0, batch=captions),
    )
