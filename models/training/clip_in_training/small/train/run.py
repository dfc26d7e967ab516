"""Trains the heads: `python -m clip_in_training.small.train.run --recipe models/recipes/small.toml`.

A call that was stopped goes on from the last checkpoint.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from clip_in_training.common.clock import Clock
from clip_in_training.common.errors import BackboneError, CheckpointError, DataError, TrainingError
from clip_in_training.common.loop import Work, run_stage
from clip_in_training.common.optimiser import decayed_groups
from clip_in_training.common.processes import Processes
from clip_in_training.common.recipe import RecipeError
from clip_in_training.common.whole_file import replace_text
from clip_in_training.finetune.backbone.text_backbone import TextBackbone, load_text_backbone
from clip_in_training.scratch.model.attribute_heads import AttributeHeads
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CODE
from clip_in_training.small.classes import image_classes
from clip_in_training.small.data.store import fingerprint
from clip_in_training.small.lite0_weights import pretrained
from clip_in_training.small.model.backbone import Heads
from clip_in_training.small.model.image_tower import ImageHeads
from clip_in_training.small.model.world import class_texts, name_vectors, start_world
from clip_in_training.small.recipe import SmallRecipe, load_small_recipe
from clip_in_training.small.text.corpus import world_texts
from clip_in_training.small.train import look, read
from clip_in_training.small.train.balance import BalanceStage
from clip_in_training.small.train.examples import load_examples, texts_of
from clip_in_training.small.train.prototypes import Prototypes
from clip_in_training.small.train.stage import HeadsStage
from clip_in_training.small.train.states import States, states_of

APART = "apart"
"""In a checkpoint: its clock has not counted the first stage, which another process trained."""
WORLD_TEXTS = 3000
"""Texts about the world that the balance is learnt from."""


def train(
    recipe: SmallRecipe, text: str, run: Path, stop_at: int | None = None, only: str | None = None
) -> dict[str, float]:
    """Trains all stages into a run folder and returns the values of the last step.

    `only` trains that stage and ends: "look" needs no text tower and "read" no pictures, so both can run at the same
    time. `stop_at` ends the stage that it is in after so many steps.

    Raises `DataError` if there are no blocks, `BackboneError` if a tower is missing, `CheckpointError` if the folder
    has a run of other data, and `TrainingError` if the loss is not a number.
    """
    run.mkdir(parents=True, exist_ok=True)
    replace_text(run / "recipe.toml", text)
    folder, tower = Path(recipe.data.directory), Path(recipe.heads.text_tower)
    examples = load_examples(folder, recipe.train.wordings)
    work = Work(
        recipe,
        run,
        Processes(0, 1, torch.device("cpu")),
        Clock(),
        notes={"data": fingerprint(folder), "pairs": len(examples), APART: only == read.NAME},
    )
    torch.manual_seed(recipe.seed)
    image = ImageHeads(recipe.heads, recipe.data.image_size).to(memory_format=torch.channels_last)
    attributes = AttributeHeads(recipe.heads, ATTRIBUTES, CODE)
    rates = recipe.train.optimiser
    values: dict[str, float] = {}

    def ends(stage: str, steps: int) -> bool:
        return only == stage or (stop_at is not None and stop_at < steps)

    if recipe.train.look_steps and only != read.NAME:
        look_stage = look.LookStage(recipe, examples, image, attributes)
        groups = decayed_groups([image.reader, attributes], rates)
        values = run_stage(work, look_stage, groups, resume=True, stop_at=stop_at)
    if ends(look.NAME, recipe.train.look_steps):
        return values
    backbone = text_tower(recipe)
    cache = folder / "states"
    states = states_of(backbone, tower, [texts_of(block) for block in examples.blocks], cache)
    torch.manual_seed(recipe.seed)
    heads = Heads(recipe, backbone.encoder.shape.width)
    heads.image = image
    names = start(recipe, heads, backbone, cache)
    prototypes = Prototypes(recipe.heads.fine, ATTRIBUTES)
    if recipe.train.read_steps:
        read_stage = read.ReadStage(recipe, examples, states, heads.text, prototypes)
        groups = decayed_groups([heads.text.reader, heads.text.fine, prototypes], rates)
        values = run_stage(work, read_stage, groups, resume=True, stop_at=stop_at)
    if ends(read.NAME, recipe.train.read_steps):
        return values
    stage = HeadsStage(recipe, examples, states, names, heads, attributes, prototypes)
    work = dataclasses.replace(work, validate=stage.validate, validate_every=recipe.checkpoint_every)
    groups = decayed_groups([heads, attributes, prototypes], stage.optimiser_recipe)
    values = run_stage(work, stage, groups, resume=True, stop_at=stop_at)
    if ends(stage.name, recipe.train.steps):
        return values
    about = [*world_texts(WORLD_TEXTS, recipe.seed)]
    world = [names, states_of(backbone, tower, [about], cache)]
    last = BalanceStage(recipe, examples, states, world, heads)
    work = dataclasses.replace(work, validate_every=recipe.train.balance_steps)
    heads.requires_grad_(False)
    heads.text.balance.requires_grad_(True)
    groups = decayed_groups([heads.text.balance], rates)
    return run_stage(work, last, groups, resume=True, stop_at=stop_at)


def text_tower(recipe: SmallRecipe) -> TextBackbone:
    """The frozen text tower that a recipe names. Raises `BackboneError`."""
    return load_text_backbone(Path(recipe.heads.text_tower), recipe.heads.context_length)


def start(recipe: SmallRecipe, heads: Heads, backbone: TextBackbone, cache: Path) -> States:
    """Sets the part of the heads that is not trained, and returns the states of names of classes."""
    of = class_texts(image_classes())
    names = states_of(backbone, Path(recipe.heads.text_tower), [of.texts], cache)
    vectors = name_vectors(of, names.vectors())
    start_world(heads.image, heads.text, pretrained(), vectors, recipe.heads.temperature)
    return names


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m clip_in_training.small.train.run", description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="e.g. models/recipes/small.toml")
    parser.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file name>)")
    parser.add_argument(
        "--only",
        choices=(look.NAME, read.NAME),
        help="one stage alone: look needs no text tower, read no pictures, so both can run at the same time",
    )
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    try:
        recipe, text = load_small_recipe(options.recipe)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        run = options.run or Path("runs") / options.recipe.stem
        train(recipe, text, run, only=options.only)
    except (BackboneError, CheckpointError, DataError, RecipeError, TrainingError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
