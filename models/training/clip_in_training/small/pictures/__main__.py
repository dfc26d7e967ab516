"""Composes scenes: `python -m clip_in_training.small.pictures --out FOLDER [--pairs N] [--scenes N] …`."""

import argparse
from pathlib import Path

from clip_in_training.common.errors import DataError
from clip_in_training.scratch.scenes.generate import SPLITS
from clip_in_training.small.pictures.generate import generate_edits, generate_scenes
from clip_in_training.small.pictures.nature import POOLS


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m clip_in_training.small.pictures", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the Parquet files")
    parser.add_argument("--pairs", type=int, default=1000, help="edits of each of the ten categories")
    parser.add_argument("--scenes", type=int, default=0, help="single scenes")
    parser.add_argument("--size", type=int, default=160, help="height and width, pixels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument(
        "--things", choices=POOLS, default="seen", help="which named pictures; training must use seen"
    )
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    common = {"seed": given.seed, "size": given.size, "workers": given.workers, "split": given.split}
    try:
        if given.pairs:
            generate_edits(given.out, given.pairs, which=given.things, **common)
        if given.scenes:
            generate_scenes(given.out, given.scenes, which=given.things, **common)
    except DataError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
