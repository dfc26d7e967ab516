"""Stage 2: joint contrastive fine-tuning with L_short + L_long + L_HN."""

import contextlib
import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clip_in_training.common.autocast import autocast
from clip_in_training.common.clock import Clock
from clip_in_training.common.errors import CheckpointError, TrainingError
from clip_in_training.common.loop import Work, run_stage
from clip_in_training.common.parallel import parallel
from clip_in_training.common.processes import Processes, start
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.compute import compile_towers
from clip_in_training.finetune.backbone.groups import parameter_groups
from clip_in_training.finetune.backbone.state import restore, state_of
from clip_in_training.finetune.backbone.trainable import trainable
from clip_in_training.finetune.losses.clip_in import ClipInLoss
from clip_in_training.finetune.readers.records import Batch
from clip_in_training.finetune.recipe import TuningRecipe
from clip_in_training.finetune.report.report import write_report
from clip_in_training.finetune.stages.ema import MovingAverage
from clip_in_training.finetune.stages.encoder import Encoder, train_mode
from clip_in_training.finetune.stages.gradients import StepGradient
from clip_in_training.finetune.stages.run import (
    FINETUNED,
    Data,
    begin,
    data_of,
    outcome,
    share_distillation,
    start_of_finetuning,
    write_summary,
)
from clip_in_training.finetune.stages.validation import Validation


class Finetuning:
    """Batches and gradient of stage 2."""

    name = FINETUNED

    def __init__(
        self,
        recipe: TuningRecipe,
        backbone: Backbone,
        data: Data,
        processes: Processes,
        start: Backbone | None = None,
    ):
        """`start` is what the stage starts from, as it was, if the recipe has an anchor."""
        stage = recipe.finetune
        self.steps, self.optimiser_recipe = stage.steps, stage.optimiser
        self.backbone, self.data, self.device = backbone, data, processes.device
        self.average = MovingAverage(backbone, stage.ema) if stage.ema else None
        self.autocast = autocast(recipe.precision, processes.device)
        encoder = Encoder(backbone)
        self.loss = ClipInLoss(stage.losses, backbone.family).to(processes.device)
        frozen = None if start is None else Encoder(start)
        self.gradient_of = StepGradient(
            parallel(encoder, processes), self.loss, stage.chunk, self.autocast, frozen
        )

    def inputs(self, first: int, last: int) -> Iterable[Batch]:
        """This process's batches."""
        return self.data.batches.loader(first, last)

    def gradient(self, batch: Batch) -> dict[str, Tensor]:
        """All terms of the loss; the gradient is left in the parameters."""
        return self.gradient_of(batch, self.device)

    def names(self, batch: Batch) -> list[str]:
        """Where each image comes from."""
        return batch.names

    def stepped(self) -> None:
        """The moving average follows."""
        if self.average is not None:
            self.average.update()

    def state(self) -> dict[str, Any]:
        """The backbone's weights, their average if there is one, and what the losses remember."""
        average = {} if self.average is None else {"average": self.average.state()}
        return {"backbone": state_of(self.backbone), **average, "loss": self.loss.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes them back. Raises `CheckpointError` if they are another backbone's, or another recipe's."""
        restore(self.backbone, state["backbone"])
        if self.average is not None:
            self.average.restore(state.get("average", {}))
        missing = self.loss.load_state_dict(state.get("loss", {}), strict=False).missing_keys
        if missing:
            raise CheckpointError(f"the checkpoint has no {missing[0]} of the losses: it is another recipe's")

    def measure(self, validation: Validation) -> dict[str, float]:
        """What the model that would be exported now is worth."""
        self.backbone.eval()
        with contextlib.nullcontext() if self.average is None else self.average.in_place(), self.autocast():
            measured = validation.measure(self.backbone)
        train_mode(self.backbone)
        return measured


def finetune(
    recipe: TuningRecipe,
    recipe_text: str,
    run: Path,
    resume: bool = False,
    start_from: Path | None = None,
    stop_at: int | None = None,
) -> None:
    """Runs stage 2 in a run folder and leaves finetune.pt and report.html.

    It starts from the folder's distil.pt if the recipe has a stage 1, or from `start_from`, the distil.pt of
    another run. With `resume`, goes on from finetune.pt. `stop_at` ends early, after a checkpoint. Under
    `torchrun`, every process calls it; all must see the same run folder. Raises what `run_stage` raises.
    """
    if recipe.finetune.steps == 0:
        raise TrainingError("the recipe has no stage 2: `finetune.steps` is 0")
    clock = Clock()
    processes = start(recipe.device)
    same = resume or (recipe.distil.steps > 0 and start_from is None)
    begin(recipe, recipe_text, run, same, processes)
    backbone = start_of_finetuning(recipe, run, start_from)
    anchor = None
    if recipe.finetune.losses.anchor:
        anchor = copy.deepcopy(backbone).eval().requires_grad_(False).to(processes.device)
    trained = trainable(backbone, recipe.finetune)
    if recipe.backbone.compile:
        compile_towers(backbone)
    backbone.to(processes.device).to(memory_format=torch.channels_last)
    train_mode(backbone)
    data = data_of(recipe, backbone, run, processes)
    stage = Finetuning(recipe, backbone, data, processes, anchor)
    groups = parameter_groups(backbone, recipe.finetune.optimiser)
    parameters = {"all": sum(p.numel() for p in backbone.parameters()), "trained": trained}
    if processes.first:
        if start_from is not None:
            share_distillation(start_from, run)
        print(f"{recipe.backbone.name}: {parameters['trained']:,} of {parameters['all']:,} parameters train")
    notes = {"seed": recipe.seed, "data": data.fingerprint(), "world": processes.world}
    work = Work(recipe, run, processes, clock, notes, recipe.finetune.keep)
    if recipe.validation.every:
        work.validate_every = recipe.validation.every
        if processes.first:
            validation = Validation(recipe.validation, backbone)
            work.validate = lambda: stage.measure(validation)
        else:
            work.validate = dict
    last = run_stage(work, stage, groups, resume, stop_at)
    if processes.first:
        write_summary(
            run,
            FINETUNED,
            {
                "parameters": parameters,
                **outcome(last, data, clock, processes),
            },
        )
        write_report(run)
    processes.wait()
