"""A complete training: data, tokenizer, stage A, stage B, in one run folder.

A run folder holds recipe.toml, tokenizer.json, stage_a.pt and stage_b.pt (checkpoints), stage_a.jsonl and
stage_b.jsonl (one line per step), log/ (TensorBoard), and start.json if the run began with the tower of another one.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clip_in_training.common import checkpoint
from clip_in_training.common.clock import Clock
from clip_in_training.common.errors import CheckpointError
from clip_in_training.common.loop import Work, run_stage
from clip_in_training.common.optimiser import decayed_groups
from clip_in_training.common.processes import Processes
from clip_in_training.common.run_folder import keep_recipe
from clip_in_training.common.whole_file import replace_text
from clip_in_training.scratch.data.examples import Examples, load_edits, load_scenes
from clip_in_training.scratch.data.shards import shards
from clip_in_training.scratch.model.attribute_heads import AttributeHeads
from clip_in_training.scratch.model.bundle import load_bundle, read_manifest
from clip_in_training.scratch.model.dual_encoder import DualEncoder, parameter_count
from clip_in_training.scratch.recipe import Recipe
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CODE
from clip_in_training.scratch.tokenizer.encode import TextEncoder, load_tokenizer
from clip_in_training.scratch.tokenizer.training import save_tokenizer, train_tokenizer
from clip_in_training.scratch.train.stage import ScratchStage
from clip_in_training.scratch.train.stage_a import StageA
from clip_in_training.scratch.train.stage_b import StageB

TOKENIZER = "tokenizer.json"
START = "start.json"
"""What stage B began with, if this run has no stage A of its own."""


@dataclass
class Training:
    """The inputs and state of one training."""

    recipe: Recipe
    run: Path
    edits: Examples
    scenes: Examples | None
    tokenize: TextEncoder
    model: DualEncoder
    heads: AttributeHeads
    clock: Clock


def prepare(
    recipe: Recipe, recipe_text: str, run: Path, resume: bool, continued: Path | None = None
) -> Training:
    """Loads the data and builds everything from the recipe's seed, or with the tokenizer and the towers of the bundle
    `continued`. Raises an error if the run folder holds another recipe.
    """
    clock = Clock()
    keep_recipe(run, recipe_text, same=resume)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    folder = Path(recipe.data.directory) / "train"
    size = recipe.data.image_size
    edits = load_edits(folder, size, ATTRIBUTES)
    scenes = load_scenes(folder, size, ATTRIBUTES) if shards(folder, "scenes") else None
    if continued is not None:
        shutil.copyfile(continued / read_manifest(continued)["tokenizer"], run / TOKENIZER)
    elif not (resume and (run / TOKENIZER).is_file()):
        captions = (text for kind in (edits.short, edits.long) for row in kind for text in row)
        save_tokenizer(train_tokenizer(captions, recipe.tokenizer.vocabulary_size), run / TOKENIZER)
    tokenize = load_tokenizer(run / TOKENIZER, recipe.text_tower.context_length)
    model = DualEncoder(recipe, tokenize.vocabulary_size)
    if continued is not None:
        _take_bundle(model, continued, run)
    model.image_tower.to(memory_format=torch.channels_last)
    heads = AttributeHeads(recipe.image_tower, ATTRIBUTES, CODE)
    return Training(recipe, run, edits, scenes, tokenize, model, heads, clock)


def train(
    recipe: Recipe,
    recipe_text: str,
    run: Path,
    resume: bool = False,
    start: Path | None = None,
    stop_at: int | None = None,
    continued: Path | None = None,
) -> None:
    """Runs both stages. `start` takes the finished stage A of another run, or a bundle's image tower, instead of
    training one. `continued` is a bundle that stage B goes on training: both towers and the tokenizer.
    """
    work = prepare(recipe, recipe_text, run, resume, continued)
    print(
        f"{len(work.edits)} edits, vocabulary {work.tokenize.vocabulary_size}, parameters: "
        f"image {parameter_count(work.model.image_tower):,}, text {parameter_count(work.model.text_tower):,}"
    )
    if start is not None:
        take_stage_a(work, start)
    elif continued is None:
        run_stage_a(work, resume)
    run_stage_b(work, resume, stop_at)


def run_stage_a(work: Training, resume: bool) -> None:
    """Attribute pre-training of the image tower."""
    sets = [work.edits] if work.scenes is None else [work.edits, work.scenes]
    run(work, StageA(work.recipe, sets, work.model.image_tower, work.heads), resume)


def take_stage_a(work: Training, path: Path) -> None:
    """Loads the image tower and attribute heads of a stage A checkpoint, and its training time.

    A stage B checkpoint works as well: then both towers are loaded, as for fine-tuning a trained CLIP. So does a
    bundle of the same architecture: only its image tower is loaded, because it has no heads and its tokens may
    differ from those of this data.
    """
    if path.is_dir():
        model, _, _ = load_bundle(path)
        work.model.image_tower.load_state_dict(model.image_tower.state_dict())
        _note_start(path, "image tower", work.run)
        return
    state = checkpoint.load(path)
    if "model" in state["modules"]:
        work.model.load_state_dict(state["modules"]["model"])
    else:
        work.model.image_tower.load_state_dict(state["modules"]["image_tower"])
    work.heads.load_state_dict(state["modules"]["heads"])
    work.clock.restore(**state["clock"])


def _take_bundle(model: DualEncoder, bundle: Path, run: Path) -> None:
    """Loads both towers of a bundle of the same architecture. Raises `CheckpointError` for another one."""
    start, _, _ = load_bundle(bundle)
    try:
        model.load_state_dict(start.state_dict())
    except RuntimeError as error:
        raise CheckpointError(
            f"{bundle} has another architecture than the recipe: {str(error)[:300]}"
        ) from error
    _note_start(bundle, "towers", run)


def _note_start(bundle: Path, part: str, run: Path) -> None:
    """The export tells what a run began with."""
    known = read_manifest(bundle)
    told = {
        "name": known["name"],
        "recipe": known["provenance"]["recipe"],
        "weights": known["files"]["model.safetensors"],
        "part": part,
    }
    replace_text(run / START, json.dumps(told, indent=1) + "\n")


def run_stage_b(work: Training, resume: bool, stop_at: int | None = None) -> None:
    """Joint contrastive training."""
    run(work, StageB(work.recipe, work.edits, work.model, work.heads, work.tokenize), resume, stop_at)


def run(work: Training, stage: ScratchStage, resume: bool, stop_at: int | None = None) -> None:
    """Trains one stage, in this process and on the CPU."""
    groups = decayed_groups(list(stage.modules.values()), stage.optimiser_recipe)
    alone = Processes(0, 1, torch.device("cpu"))
    run_stage(Work(work.recipe, work.run, alone, work.clock), stage, groups, resume, stop_at)


def label_accuracy(work: Training, examples: Examples) -> dict[str, float]:
    """Share of correct attribute predictions on held-out edits, by attribute: shows which part of a scene the model
    does not see.
    """
    work.model.eval()
    right = []
    with torch.inference_mode():
        for start in range(0, len(examples), 64):
            rows = slice(start, start + 64)
            pixels = torch.from_numpy(np.ascontiguousarray(examples.pixels[rows])).flatten(0, 1)
            features = work.model.image_tower.see(pixels).features
            labels = torch.from_numpy(examples.labels[rows]).flatten(0, 1)
            logits = work.heads(features)
            right.append(
                torch.stack([(s.argmax(-1) == labels[:, i]) for i, s in enumerate(logits.values())], 1)
            )
    shares = torch.cat(right).float().mean(0).tolist()
    return dict(zip(work.heads.sizes, shares, strict=True))
