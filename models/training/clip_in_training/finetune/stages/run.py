"""A run folder of fine-tuning: what is in it, how it is begun, and how the export reads it.

It holds recipe.toml, distil.pt and finetune.pt (checkpoints), distil.jsonl and finetune.jsonl (a line a
step), distil.json and finetune.json (counts, measurements, times), broken.jsonl (records that could not be
read), log/ (TensorBoard) and report.html.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clip_in_training.common import checkpoint
from clip_in_training.common.clock import Clock
from clip_in_training.common.errors import TrainingError
from clip_in_training.common.processes import Processes
from clip_in_training.common.recipe import RecipeError
from clip_in_training.common.run_folder import RECIPE, keep_recipe
from clip_in_training.common.whole_file import replace_text
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.load import load_backbone
from clip_in_training.finetune.backbone.lora import merged
from clip_in_training.finetune.backbone.state import restore
from clip_in_training.finetune.backbone.trainable import trainable
from clip_in_training.finetune.readers.batches import Batches
from clip_in_training.finetune.readers.reader import Reader
from clip_in_training.finetune.readers.sources import describe, fingerprint, open_sources
from clip_in_training.finetune.recipe import TuningRecipe, parse_tuning_recipe

DISTILLED, FINETUNED = "distil", "finetune"
"""Names of the stages, and of their files."""


def begin(recipe: TuningRecipe, recipe_text: str, run: Path, same: bool, processes: Processes) -> None:
    """Puts the recipe into the folder and sets PyTorch up. With `same`, raises `TrainingError` if the folder
    belongs to another recipe.
    """
    if not recipe.sources:
        raise RecipeError("the recipe has no [[sources]]: nothing to learn from")
    if processes.first:
        keep_recipe(run, recipe_text, same)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)


@dataclass
class Data:
    """The data of a training process."""

    batches: Batches
    sources: list[Reader]

    def fingerprint(self) -> str:
        """What identifies the data."""
        return fingerprint(self.sources)

    def summary(self) -> dict[str, Any]:
        """What was read, left out and broken, for the report."""
        return {"sources": describe(self.sources), "reading": self.batches.tally.summary()}


def data_of(recipe: TuningRecipe, backbone: Backbone, run: Path, processes: Processes) -> Data:
    """Opens the recipe's sources. Raises `RecipeError` and `DataError`."""
    sources = open_sources(recipe.sources)
    batches = Batches(
        recipe, sources, backbone.preprocess, backbone.text_rules, processes.rank, processes.world, run
    )
    return Data(batches, sources)


def start_of_finetuning(recipe: TuningRecipe, run: Path, start: Path | None) -> Backbone:
    """What stage 2 starts from: the backbone, with distil.pt's text encoder if the recipe has stage 1.

    `start` is the distil.pt of another run, which ablations share.
    """
    backbone = load_backbone(recipe.backbone, recipe.seed)
    if recipe.distil.steps == 0 and start is None:
        return backbone
    path = start or run / f"{DISTILLED}.pt"
    if not path.is_file():
        raise TrainingError(f"stage 2 starts from {path}, which is not there: run `distil` first")
    state = checkpoint.load(path)
    if state["step"] != state["steps"]:
        raise TrainingError(
            f"{path} is at step {state['step']} of {state['steps']}: finish it with `distil --resume`"
        )
    restore(backbone, state["modules"]["backbone"])
    return backbone


def load_tuned(run: Path, checkpoint_name: str = f"{FINETUNED}.pt") -> Backbone:
    """What a run has trained, as an ordinary backbone: adapters merged, in evaluation mode, fp32.

    Takes finetune.pt, another checkpoint of stage 2 by its name (`finetune.best.pt`), or distil.pt of a run without
    stage 2. Averaged weights, if the run keeps any, go before the last step's. Raises `CheckpointError` and
    `RecipeError`.
    """
    recipe = run_recipe(run)
    backbone = load_backbone(recipe.backbone, recipe.seed)
    finetuned = run / checkpoint_name
    if recipe.finetune.steps == 0 and not finetuned.is_file():
        restore(backbone, checkpoint.load(run / f"{DISTILLED}.pt")["modules"]["backbone"])
        return backbone.eval()
    trainable(backbone, recipe.finetune)
    modules = checkpoint.load(finetuned)["modules"]
    average = {name: value for name, value in modules.get("average", {}).items() if name != "steps"}
    restore(backbone, {**modules["backbone"], **average})
    return merged(backbone).eval()


def run_recipe(run: Path) -> TuningRecipe:
    """The recipe that a run folder belongs to."""
    path = run / RECIPE
    try:
        return parse_tuning_recipe(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise RecipeError(f"cannot read {path} ({error.strerror}): is {run} a run folder?") from error


def share_distillation(start: Path, run: Path) -> None:
    """Copies what another run has measured in stage 1, for this run's report and export."""
    for suffix in (".json", ".jsonl"):
        measured = start.with_suffix(suffix)
        if measured.is_file():
            shutil.copyfile(measured, run / f"{DISTILLED}{suffix}")


def outcome(last: dict[str, Any], data: Data, clock: Clock, processes: Processes) -> dict[str, Any]:
    """What the summaries of both stages have: the last step's values, what was read, times, and where."""
    return {
        "last": last,
        "data": data.summary(),
        "clock": clock.state(),
        "world": processes.world,
        "device": str(processes.device),
    }


def write_summary(run: Path, stage: str, summary: dict[str, Any]) -> None:
    """Leaves `<stage>.json`, whole or not at all."""
    replace_text(run / f"{stage}.json", json.dumps(summary, indent=1, ensure_ascii=False))


def read_summary(run: Path, stage: str) -> dict[str, Any] | None:
    """`<stage>.json`, or None."""
    path = run / f"{stage}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
