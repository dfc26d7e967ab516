"""A run folder belongs to one recipe."""

from pathlib import Path

from clip_in_training.common.errors import TrainingError
from clip_in_training.common.whole_file import replace_text

RECIPE = "recipe.toml"


def keep_recipe(run: Path, recipe_text: str, same: bool) -> None:
    """Makes the folder and puts the recipe into it. With `same`, raises `TrainingError` if another one is
    there: what was trained by one recipe is not gone on with by another.
    """
    run.mkdir(parents=True, exist_ok=True)
    kept = run / RECIPE
    if same and kept.is_file() and kept.read_text(encoding="utf-8") != recipe_text:
        raise TrainingError(
            f"{kept} differs from the recipe given; resume with that one, or train in a new --run folder"
        )
    replace_text(kept, recipe_text)
