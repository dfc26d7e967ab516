"""Runs every variant of a recipe with every seed, each by the commands that a user would type."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from clip_in_training.common.errors import TrainingError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.common.whole_file import replace_text
from clip_in_training.finetune.ablation.measure import measure
from clip_in_training.finetune.recipe import TuningRecipe
from clip_in_training.finetune.stages.run import DISTILLED, FINETUNED
from clip_in_training.finetune.variant import changed, variant
from clip_in_training.finetune.variant import settings as parsed

RESULT = "result.json"
_measuring = threading.Lock()
"""PyTorch's exporter keeps its state in globals: one export at a time."""


@dataclass(frozen=True)
class Job:
    """One run of the ablation."""

    recipe_file: Path
    recipe: TuningRecipe
    """With the variant's keys and the command line's."""
    settings: Sequence[str]
    """`KEY=VALUE`s that hold for every run."""
    variant: str
    seed: int
    folder: Path
    stage_1: Path
    """Run folder of the stage 1 that all variants with this seed share."""


def run_all(
    recipe_file: Path,
    recipe: TuningRecipe,
    run: Path,
    seeds: Sequence[int],
    at_a_time: int,
    settings: Sequence[str] = (),
) -> dict[str, list[dict]]:
    """Variant -> results, one a seed. What an earlier call finished is not done again, and what it began goes
    on from its last checkpoint.

    `at_a_time` runs share the processor's cores; `settings` are `KEY=VALUE`s that hold for all of them.
    Raises `RecipeError` if there is nothing to compare, and `TrainingError` naming the log of a run that failed.
    """
    if not recipe.ablation:
        raise RecipeError(f"{recipe_file} has no [ablation]: nothing to compare")
    jobs = [
        _job(recipe_file, recipe, run, name, seed, settings) for seed in seeds for name in recipe.ablation
    ]
    distilled = {job.stage_1: job for job in jobs if job.recipe.distil.steps}
    with ThreadPoolExecutor(at_a_time) as pool:
        # A seed's variants wait for its stage 1, which therefore comes first.
        list(pool.map(_distil, distilled.values(), [at_a_time] * len(distilled)))
        results = list(pool.map(_finetune, jobs, [at_a_time] * len(jobs)))
    table: dict[str, list[dict]] = {name: [] for name in recipe.ablation}
    for job, result in zip(jobs, results, strict=True):
        table[job.variant].append(result)
    return table


def _job(
    recipe_file: Path, recipe: TuningRecipe, run: Path, name: str, seed: int, settings: Sequence[str]
) -> Job:
    folder = run / f"seed-{seed}"
    slug = "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
    made = changed(variant(recipe, name, str(recipe_file)), parsed(list(settings)), str(recipe_file))
    return Job(recipe_file, made, settings, name, seed, folder / slug, folder / "stage-1")


def _distil(job: Job, at_a_time: int) -> None:
    if not (job.stage_1 / f"{DISTILLED}.json").is_file():
        _command("distil", job, job.stage_1, at_a_time)


def _finetune(job: Job, at_a_time: int) -> dict:
    result = job.folder / RESULT
    if not result.is_file():
        start = ["--start", str(job.stage_1 / f"{DISTILLED}.pt")] if job.recipe.distil.steps else []
        _command("finetune", job, job.folder, at_a_time, *start)
        with _measuring:
            measured = measure(job.folder)
        summary = json.loads((job.folder / f"{FINETUNED}.json").read_text(encoding="utf-8"))
        measured["core_minutes"] = summary["clock"]["cpu"] / 60
        replace_text(result, json.dumps(measured, indent=1))
    found = json.loads(result.read_text(encoding="utf-8"))
    print(f"seed {job.seed}, {job.variant}: pairs {found['pairs']['mean']:.1f} %", flush=True)
    return found


def _command(stage: str, job: Job, folder: Path, at_a_time: int, *more: str) -> None:
    """A stage as a process of its own, with its share of the cores; its output goes to `<stage>.log`."""
    threads = max(1, (os.cpu_count() or 1) // at_a_time)
    settings = ["--variant", job.variant]
    for setting in (*job.settings, f"seed={job.seed}", f"threads={threads}"):
        settings += ["--set", setting]
    command = [sys.executable, "-m", "clip_in_training", stage, "--recipe", str(job.recipe_file), *settings]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{stage}.log").open("a", encoding="utf-8") as log:
        done = subprocess.run(
            [*command, *more, "--run", str(folder), "--resume"],
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise TrainingError(f"{stage} of variant {job.variant!r}, seed {job.seed} failed: see {log.name}")
