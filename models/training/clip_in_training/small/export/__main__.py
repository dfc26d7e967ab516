"""Exports a run: `python -m clip_in_training.small.export --recipe models/recipes/small.toml --out FOLDER`."""

import argparse
import sys
from pathlib import Path

import torch

from clip_in_training.common.errors import BackboneError, CheckpointError, DataError, ExportError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.export.arguments import names
from clip_in_training.export.command import parity_lines
from clip_in_training.small.export.bundle import PRECISIONS, export_small
from clip_in_training.small.recipe import load_small_recipe


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m clip_in_training.small.export", description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="e.g. models/recipes/small.toml")
    parser.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file name>)")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument(
        "--precisions", type=names, default=list(PRECISIONS), help="beside fp32 (default: int8)"
    )
    parser.add_argument(
        "--unfinished", action="store_true", help="export a run that has not ended, to look at it"
    )
    options = parser.parse_args()
    try:
        recipe, text = load_small_recipe(options.recipe)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        run = options.run or Path("runs") / options.recipe.stem
        manifest = export_small(
            recipe, options.recipe.name, text, run, options.out, options.precisions, options.unfinished
        )
    except (BackboneError, CheckpointError, DataError, ExportError, RecipeError, OSError) as error:
        sys.exit(f"error: {error}")
    print(parity_lines(manifest))
    for path in sorted(path for path in options.out.rglob("*") if path.is_file()):
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path}")


if __name__ == "__main__":
    main()
