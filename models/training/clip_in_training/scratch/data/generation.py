"""Draws the data of a recipe, once."""

import dataclasses
import json
from pathlib import Path

from clip_in_training.common.whole_file import replace_text
from clip_in_training.scratch.recipe import DataRecipe, Recipe
from clip_in_training.scratch.scenes.generate import generate_edits, generate_scenes

DONE = "drawn.json"
"""Written last. It records what is in the folder, so that the same recipe does not draw again."""


def generate(recipe: Recipe, force: bool = False) -> None:
    """Draws all three splits below the recipe's data directory, unless they exist already."""
    data = recipe.data
    root = Path(data.directory)
    wanted = {k: v for k, v in dataclasses.asdict(data).items() if k not in ("workers", "category_weights")}
    done = root / DONE
    # Folders from before there were these keys hold what the defaults mean.
    defaults = {name: getattr(DataRecipe(), name) for name in ("language", "held_out", "japanese")}
    if not force and done.is_file() and defaults | json.loads(done.read_text(encoding="utf-8")) == wanted:
        print(f"{root} already holds this recipe's data (--force draws it again)")
        return
    done.unlink(missing_ok=True)
    common = {"seed": data.seed, "size": data.image_size, "workers": data.workers}
    setting = data.setting
    for split, pairs in (
        ("validation", data.validation_pairs_per_category),
        ("test", data.test_pairs_per_category),
        ("train", data.train_pairs_per_category),
    ):
        generate_edits(
            root / split, pairs, split=split, categories=data.categories, setting=setting, **common
        )
    generate_scenes(root / "test", data.test_scenes, split="test", setting=setting, **common)
    if data.train_scenes:
        generate_scenes(root / "train", data.train_scenes, split="train", setting=setting, **common)
    replace_text(done, json.dumps(wanted, indent=1) + "\n")
