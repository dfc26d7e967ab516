"""Measures a bundle on the stamps of Tux Paint: `python -m clip_in_training.small.stamps --bundle B --stamps FOLDER`.

The 430 pictures (Debian's `tuxpaint-stamps-default`, GPL-2) with a caption each that are no cartoons and no symbols,
most of them cut out of photographs, serve for evaluation only: nothing is trained on them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from clip_in_training.common.errors import DataError, ExportError
from clip_in_training.export.evaluate.drawn.interval import percent
from clip_in_training.export.evaluate.drawn.tables import table
from clip_in_training.export.evaluate.graphs import Graphs, bundle_graphs
from clip_in_training.scratch.model.bundle import read_manifest

RANKS = (1, 10)


def stamps(folder: Path) -> list[tuple[Path, str]]:
    """Pictures and captions. Raises `DataError` if there are none."""
    found = []
    for path in sorted(folder.rglob("*.png")):
        name, text = path.relative_to(folder), path.with_suffix(".txt")
        if "symbols" in name.parts or "cartoon" in str(name) or "mirror" in path.stem or not text.is_file():
            continue
        lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
        if lines and lines[0].strip():
            found.append((path, lines[0].strip()))
    if not found:
        raise DataError(
            f"no pictures with captions below {folder}: unpack Debian's tuxpaint-stamps-default "
            "and name its usr/share/tuxpaint/stamps"
        )
    return found


def pixels(paths: Sequence[Path], size: int) -> np.ndarray:
    """uint8 [pictures, size, size, 3]: each on a white square."""
    found = []
    for path in paths:
        with Image.open(path) as opened:
            image = opened.convert("RGBA")
        side = max(image.size)
        square = Image.new("RGBA", (side, side), "white")
        square.alpha_composite(image, ((side - image.width) // 2, (side - image.height) // 2))
        found.append(np.asarray(square.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)))
    return np.stack(found)


def recalls(cosines: np.ndarray, owners: np.ndarray) -> dict[str, dict[int, tuple[int, int]]]:
    """Direction -> rank -> (right, count), of cosines [pictures, captions]; `owners` is each picture's caption.

    A caption of several pictures is right if one of these is among the first.
    """
    own = cosines[np.arange(len(owners)), owners]
    above = (cosines > own[:, None]).sum(1)
    best = np.array([cosines[owners == k, k].max() for k in range(cosines.shape[1])])
    before = (cosines > best).sum(0)
    return {
        name: {rank: (int((counts < rank).sum()), len(counts)) for rank in RANKS}
        for name, counts in (("image → text", above), ("text → image", before))
    }


def measure(graphs: Graphs, size: int, folder: Path) -> dict[str, dict[int, tuple[int, int]]]:
    """`recalls` of a bundle's graphs. Raises `DataError` if there are no stamps."""
    found = stamps(folder)
    captions = sorted({caption for _, caption in found})
    owners = np.array([captions.index(caption) for _, caption in found])
    images = graphs.encode_images(pixels([path for path, _ in found], size))
    return recalls(images @ graphs.encode_texts(captions).T, owners)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m clip_in_training.small.stamps", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--stamps", type=Path, required=True, help="…/usr/share/tuxpaint/stamps")
    options = parser.parse_args()
    try:
        manifest = read_manifest(options.bundle)
        graphs, size = bundle_graphs(options.bundle, manifest), int(manifest["image"]["size"][0])
        found = measure(graphs, size, options.stamps)
    except (DataError, ExportError, OSError) as error:
        sys.exit(f"error: {error}")
    rows = [[name, *(percent(*found[name][rank]) for rank in RANKS)] for name in found]
    print(table(["stamps", *(f"R@{rank}" for rank in RANKS)], rows))


if __name__ == "__main__":
    main()
