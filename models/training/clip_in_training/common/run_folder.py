"""A run folder belongs to one recipe."""

from pathlib import Path

from clip_in_training.common.errors import TrainingError
from clip_in_training.common.whole_file import replace_text

RECIPE = "recipe.toml"


def keep_recipe(run: Path, recipe_text: str, same: bool) -> None:
    """Creates the folder and writes the recipe into it. With `same`, raises `TrainingError` if it holds another
    recipe: a run must not continue with another recipe than it began with.
    """
    run.mkdir(parents=True, exist_ok=True)
    kept = run / RECIPE
    if same and kept.is_file() and kept.read_text(encoding="utf-8") != recipe_text:
        raise TrainingError(
            f"{kept} differs from the recipe given; resume with that one, or train in a new --run folder"
        )
    replace_text(kept, recipe_text)
