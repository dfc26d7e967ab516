"""The training loop of every stage (from scratch or fine-tuning): step, log, checkpoint, resume; one or more
processes.
"""

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from clip_in_training.common import checkpoint
from clip_in_training.common.clock import Clock
from clip_in_training.common.errors import CheckpointError, TrainingError
from clip_in_training.common.optimiser import share_of_rate
from clip_in_training.common.processes import Processes
from clip_in_training.common.recipe import OptimiserRecipe
from clip_in_training.common.step_log import Logs, NoLogs


class NotANumber(ArithmeticError):
    """The loss is not a number. `rows` are the inputs of the batch that caused it; it is empty if they are
    unknown.
    """

    def __init__(self, rows: list[int]):
        super().__init__("the loss is not a number")
        self.rows = rows


class Stage(Protocol):
    """The work of a stage in one step."""

    name: str
    steps: int

    @property
    def optimiser_recipe(self) -> OptimiserRecipe:
        """Rates and decay."""

    def inputs(self, first: int, last: int) -> Iterable[Any]:
        """Yields the inputs of this process for the steps from `first` up to, not including, `last`."""

    def gradient(self, batch: Any) -> dict[str, Tensor]:
        """Leaves the gradient of the step in the parameters. Returns the loss terms, among them "loss", the same on
        all processes. Raises `NotANumber`.
        """

    def stepped(self) -> None:
        """Called after the optimiser has changed the weights."""

    def names(self, batch: Any) -> list[str]:
        """The origin of each input (file and row)."""

    def state(self) -> dict[str, Any]:
        """The trained weights by module, as the checkpoint stores them."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores the weights from `state`. Raises `CheckpointError` if they do not fit."""


class Settings(Protocol):
    """The settings that the loop reads from a recipe of either family."""

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""

    @property
    def log_every(self) -> int:
        """Steps between two lines of the log."""

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints."""


@dataclass
class Work:
    """The settings of one stage."""

    recipe: Settings
    run: Path
    processes: Processes
    clock: Clock
    notes: dict[str, Any] = field(default_factory=dict)
    """Plain values that the checkpoint stores beside the weights, e.g. the data's fingerprint ("data")."""
    keep: int = 0
    """Number of numbered checkpoints (`<name>.step-000500.pt`) to keep beside the last one."""
    validate: Callable[[], dict[str, float]] | None = None
    """Measures the model; the step with the largest "score" is saved as `<name>.best.pt`."""
    validate_every: int = 0


def run_stage(
    work: Work, stage: Stage, groups: list[dict], resume: bool, stop_at: int | None = None
) -> dict[str, Any]:
    """Trains for `stage.steps` steps and writes `<run>/<name>.pt` and `<run>/<name>.jsonl`.

    `groups` are AdamW's parameter groups, each with its peak rate as "lr". With `resume`, training continues from
    the checkpoint if there is one. `stop_at` ends it early, after a checkpoint. All randomness depends on the seed
    and the step only, so a resumed run repeats the loss curve. Returns the values of the last step.

    Raises `TrainingError` if the loss or a gradient is not a number, before the weights are changed.
    """
    path = work.run / f"{stage.name}.pt"
    recipe, processes, rates = work.recipe, work.processes, stage.optimiser_recipe
    peaks = [group["lr"] for group in groups]
    optimiser = torch.optim.AdamW(groups, betas=(rates.betas[0], rates.betas[1]), fused=True)
    first, best = _restore(path, work, stage, optimiser) if resume and path.is_file() else (0, None)
    last = stage.steps if stop_at is None else min(stage.steps, stop_at)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    quiet = not sys.stderr.isatty()
    bar = tqdm(
        total=stage.steps, initial=first, desc=stage.name, unit="step", disable=quiet or not processes.first
    )
    values: dict[str, float] = {}
    with contextlib.closing(Logs(work.run, stage.name, first) if processes.first else NoLogs()) as logs, bar:
        began = time.monotonic()
        for step, batch in zip(range(first, last), stage.inputs(first, last), strict=True):
            waited = time.monotonic() - began
            torch.manual_seed(_seed(recipe.seed, step, processes.rank))
            share = share_of_rate(step, stage.steps, rates.warmup_fraction)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * share
            optimiser.zero_grad(set_to_none=True)
            try:
                terms = stage.gradient(batch)
            except NotANumber as error:
                raise _broken(work, stage, step, batch, "loss", error.rows) from error
            norm = nn.utils.clip_grad_norm_(parameters, rates.gradient_clip or math.inf)
            names = [*terms, "gradient_norm"]
            values = dict(zip(names, _numbers([*terms.values(), norm]), strict=True))
            if not math.isfinite(values["gradient_norm"]):
                raise _broken(work, stage, step, batch, "gradient", [])
            optimiser.step()
            stage.stepped()
            seconds = time.monotonic() - began
            values |= {"learning_rate": rates.learning_rate * share, "seconds": seconds, "waited": waited}
            values["cpu_seconds"] = work.clock.cpu()
            bar.update()
            bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
            shown = step % recipe.log_every == 0 or step + 1 == last
            logs.add(step, values, shown)
            if shown and quiet and processes.first:
                print_values(stage.name, step, stage.steps, values)
            ends = step + 1 == stage.steps
            measures = work.validate is not None and work.validate_every > 0
            if measures and ((step + 1) % work.validate_every == 0 or ends):
                if processes.first:
                    best = _validate(work, stage, optimiser, step, best, logs)
                processes.wait()
            if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == last:
                if processes.first:
                    checkpoint.save(path, _state(work, stage, optimiser, step + 1, best))
                    if work.keep and not ends:
                        checkpoint.keep_numbered(path, step + 1, work.keep)
                processes.wait()
            began = time.monotonic()
    return values


def _numbers(values: list[Tensor]) -> list[float]:
    """Scalars, copied from the device in one transfer."""
    return torch.stack([value.detach().reshape(()).float() for value in values]).tolist()


def _seed(seed: int, step: int, rank: int) -> int:
    """The dropout seed of a step: different on each process, the same when the step is repeated."""
    return (seed * 1_000_003 + step) * 4096 + rank


def _validate(
    work: Work,
    stage: Stage,
    optimiser: torch.optim.Optimizer,
    step: int,
    best: dict[str, float] | None,
    logs: Logs | NoLogs,
) -> dict[str, float] | None:
    """Measures the model after `step` and saves the checkpoint if it is the best so far. Returns the best
    measurement.
    """
    assert work.validate is not None
    measured = work.validate()
    logs.validated(step, measured)
    print_values(f"{stage.name} validation", step, stage.steps, measured)
    if best is not None and measured["score"] <= best["score"]:
        return best
    best = {"step": step + 1, **measured}
    checkpoint.save(work.run / f"{stage.name}.best.pt", _state(work, stage, optimiser, step + 1, best))
    return best


def _state(
    work: Work, stage: Stage, optimiser: torch.optim.Optimizer, step: int, best: dict[str, float] | None
) -> dict[str, Any]:
    return {
        "best": best,
        "step": step,
        "steps": stage.steps,
        "modules": stage.state(),
        "optimiser": optimiser.state_dict(),
        "clock": work.clock.state(),
        **work.notes,
    }


def _restore(
    path: Path, work: Work, stage: Stage, optimiser: torch.optim.Optimizer
) -> tuple[int, dict[str, float] | None]:
    """Loads a checkpoint. Returns the step to continue with and the best measurement so far."""
    state = checkpoint.load(path)
    if state["steps"] != stage.steps:
        raise CheckpointError(
            f"{path} belongs to a run of {state['steps']} steps, not {stage.steps}; train without --resume"
        )
    if state.get("data") != work.notes.get("data"):
        raise CheckpointError(
            f"the data differs from the data that {path} was trained on; train without --resume"
        )
    stage.restore(state["modules"])
    optimiser.load_state_dict(state["optimiser"])
    work.clock.restore(**state["clock"])
    return state["step"], state.get("best")


def print_values(name: str, step: int, steps: int, values: dict[str, float]) -> None:
    """One line of a log file, where there is no terminal for a progress bar."""
    shown = " ".join(f"{key}={value:.4g}" for key, value in values.items())
    print(f"{name} {step + 1}/{steps} {shown}", flush=True)


def _broken(work: Work, stage: Stage, step: int, batch: Any, what: str, rows: list[int]) -> TrainingError:
    """Logs the inputs of a step and raises the error that names them."""
    names = stage.names(batch)
    guilty = [names[row] for row in rows]
    file = work.run / f"bad_batch.{stage.name}.{work.processes.rank}.json"
    with contextlib.suppress(OSError):
        file.write_text(json.dumps({"step": step, "guilty": guilty, "batch": names}, indent=1))
    shown = guilty or names
    some = ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")
    return TrainingError(
        f"the {what} of {stage.name} is not a number at step {step}, "
        f"{'because of' if guilty else 'in the batch of'} {some} (all in {file}); "
        f"{work.run / stage.name}.pt, if there is one, holds the last good checkpoint"
    )
