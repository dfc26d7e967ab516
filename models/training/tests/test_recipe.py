"""Recipes: misspelt keys and wrong values are errors."""

from pathlib import Path

import pytest

from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.recipe import is_tuning_recipe, parse_tuning_recipe
from clip_in_training.finetune.variant import variant
from clip_in_training.scratch.recipe import load_recipe, parse_recipe
from clip_in_training.small.recipe import parse_small_recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SMALL = 'name = "x"\ndescription = "y"\n'


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda p: p.name)
def test_every_recipe_of_the_repository_is_valid(path):
    text = path.read_text(encoding="utf-8")
    if is_tuning_recipe(text):
        recipe = parse_tuning_recipe(text, path.name)
        for name in recipe.ablation:
            variant(recipe, name, path.name)
    elif "[heads]" in text:
        recipe = parse_small_recipe(text, path.name)
    else:
        recipe, text = load_recipe(path)
    assert recipe.name and text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nmae = 1", "unknown key `nmae`"),
        ("[stage_b.losses]\nhard_negatives = 1.0", "unknown key `stage_b.losses.hard_negatives`"),
        ('seed = "one"', "`seed` must be int"),
        ("seed = true", "`seed` must be int"),
        ("[image_tower]\nwidths = [1, 2.5]", r"`image_tower.widths\[1\]` must be int"),
        ("data = 3", "`data` must be a table"),
        ('precision = "fp8"', "`precision` must be bf16 or fp32"),
        ('[stage_b.losses]\nhard_negative = "most"', "hard_negative` must be"),
        ('[data]\ncategories = ["size"]', "data.categories` must name some of"),
        ("[data]\ncategories = []", "data.categories` must name some of"),
        ("[image_tower]\nwidths = [8, 8]\nblocks = [1]", "equal lengths"),
        ("[", "not valid TOML"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(SMALL + text)


def test_a_missing_name_is_an_error():
    with pytest.raises(RecipeError, match="missing key `name`"):
        parse_recipe('description = "y"')


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(RecipeError, match="cannot read"):
        load_recipe(tmp_path / "none.toml")


def test_integers_are_accepted_as_floats():
    recipe = parse_recipe(SMALL + "[stage_b.losses]\nclip_short = 1")
    assert isinstance(recipe.stage_b.losses.clip_short, float)
