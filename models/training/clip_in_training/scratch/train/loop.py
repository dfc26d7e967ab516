"""The loop of both stages: step, log, checkpoint, resume."""

import math
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from clip_in_training.common import checkpoint
from clip_in_training.common.clock import Clock
from clip_in_training.common.errors import TrainingError
from clip_in_training.common.optimiser import build_optimiser, learning_rate
from clip_in_training.common.recipe import OptimiserRecipe
from clip_in_training.scratch.recipe import Recipe


class Stage(Protocol):
    """What a stage does in a step. Nothing is random but what the step number seeds: so resuming is exact."""

    def batch(self, step: int) -> dict[str, Any]:
        """The inputs of a step; called one step ahead, in another thread."""

    def terms(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The loss terms, among them "loss", and whatever else is worth a curve."""


def run_stage(
    name: str,
    recipe: Recipe,
    optimiser_recipe: OptimiserRecipe,
    steps: int,
    modules: dict[str, nn.Module],
    stage: Stage,
    run: Path,
    clock: Clock,
    resume: bool,
    stop_at: int | None = None,
) -> None:
    """Trains `modules` for `steps` steps and leaves `<run>/<name>.pt`.

    With `resume`, goes on from the checkpoint if there is one. `stop_at` ends early, after a checkpoint (a
    later `resume` continues). Raises `TrainingError` at a loss that is not a number: the last good checkpoint
    is kept.
    """
    path = run / f"{name}.pt"
    optimiser = build_optimiser(list(modules.values()), optimiser_recipe)
    first = _restore(path, modules, optimiser, steps, clock) if resume and path.is_file() else 0
    last = steps if stop_at is None else min(steps, stop_at)
    parameters = [p for module in modules.values() for p in module.parameters()]
    for module in modules.values():
        module.train()
    quiet = not sys.stderr.isatty()
    bf16 = use_bf16(recipe.precision)
    bar = tqdm(total=steps, initial=first, desc=name, unit="step", disable=quiet)
    with SummaryWriter(str(run / "log" / name), purge_step=first) as log, bar:
        for step, batch in _ahead(stage, first, last):
            rate = learning_rate(step, steps, optimiser_recipe)
            for group in optimiser.param_groups:
                group["lr"] = rate
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                terms = stage.terms(batch)
            value = terms["loss"].item()
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss of {name} is {value} at step {step}; {path} holds the last good checkpoint"
                )
            optimiser.zero_grad(set_to_none=True)
            terms["loss"].backward()
            norm = nn.utils.clip_grad_norm_(parameters, optimiser_recipe.gradient_clip)
            optimiser.step()
            bar.update()
            bar.set_postfix(loss=f"{value:.3f}", refresh=False)
            if step % recipe.log_every == 0 or step + 1 == last:
                values = {key: term.item() for key, term in terms.items()}
                values |= {"learning_rate": rate, "gradient_norm": norm.item(), "cpu_seconds": clock.cpu()}
                for key, number in values.items():
                    log.add_scalar(f"{name}/{key}", number, step)
                if quiet:
                    print_values(name, step, steps, values)
            if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == last:
                states = {key: module.state_dict() for key, module in modules.items()}
                state = {"step": step + 1, "steps": steps, "modules": states, "clock": clock.state()}
                checkpoint.save(path, {**state, "optimiser": optimiser.state_dict()})


def use_bf16(precision: str) -> bool:
    """Whether to autocast. "bf16" is meant for speed: a processor without instructions for it emulates them,
    many times slower than fp32 (a first step took minutes), and trains in fp32 instead.
    """
    if precision != "bf16":
        return False
    able = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if not able:
        print("this processor has no bf16 instructions: training in fp32", file=sys.stderr)
    return able


def _ahead(stage: Stage, first: int, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Steps and their batches; the next batch is made while the current one is learnt from."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        following = pool.submit(stage.batch, first) if first < last else None
        for step in range(first, last):
            batch = following.result()
            following = pool.submit(stage.batch, step + 1) if step + 1 < last else None
            yield step, batch


def _restore(path: Path, modules: dict[str, nn.Module], optimiser, steps: int, clock: Clock) -> int:
    """Loads a checkpoint and returns the step to go on with."""
    state = checkpoint.load(path)
    if state["steps"] != steps:
        message = f"{path} belongs to a run of {state['steps']} steps, not {steps}; train without --resume"
        raise checkpoint.CheckpointError(message)
    for key, module in modules.items():
        module.load_state_dict(state["modules"][key])
    optimiser.load_state_dict(state["optimiser"])
    clock.restore(**state["clock"])
    return state["step"]


def print_values(name: str, step: int, steps: int, values: dict[str, float]) -> None:
    """One line of a log file, where there is no terminal for a progress bar."""
    shown = " ".join(f"{key}={value:.4g}" for key, value in values.items())
    print(f"{name} {step + 1}/{steps} {shown}", flush=True)
