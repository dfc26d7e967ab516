"""Example scenes for the server's page: newly drawn, larger than the input, never part of the training data."""

from pathlib import Path

from clip_in_training.export.files import write_json
from clip_in_training.scratch.scenes.generate import edit_pair, stream

CATEGORIES = [
    "color",
    "count",
    "position",
    "state",
    "structure",
    "text",
    "orientation",
    "presence",
    "viewpoint",
]
SIZE = 384
"""Side in pixels: large enough to look at; the server resizes it as it does any photograph."""


def write_samples(folder: Path, seed: int) -> None:
    """Writes samples/*.webp and samples/samples.json: one scene per category, with its caption among near
    misses.
    """
    (folder / "samples").mkdir()
    entries = []
    pairs = [edit_pair(c, stream(seed, "test", f"sample {c}", 0), SIZE) for c in CATEGORIES]
    for index, (category, pair) in enumerate(zip(CATEGORIES, pairs, strict=True)):
        shown, other = (pair.source, pair.target) if index % 2 == 0 else (pair.target, pair.source)
        name = f"samples/{index}.webp"
        shown.image.convert("RGB").save(folder / name, quality=86, method=6)
        strangers = [pairs[(index + k) % len(pairs)].source.caption for k in (1, 2, 4)]
        texts = [strangers[0], other.caption, shown.caption, *strangers[1:]]
        entries.append({"file": name, "title": f"a difference in {category}", "texts": texts})
    write_json(folder / "samples" / "samples.json", entries)
