"""Stage 2: joint contrastive fine-tuning with L_short + L_long + L_HN."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from clip_in_training.backbone.backbone import Backbone
from clip_in_training.backbone.trainable import parameter_groups, trainable
from clip_in_training.errors import TrainingError
from clip_in_training.losses.clip_in import ClipInLoss
from clip_in_training.readers.batches import Batches
from clip_in_training.readers.records import Batch
from clip_in_training.train.clock import Clock
from clip_in_training.tuning.encoder import Encoder, train_mode
from clip_in_training.tuning.gradients import StepGradient
from clip_in_training.tuning.loop import Work, autocast, run_stage
from clip_in_training.tuning.processes import Processes, start
from clip_in_training.tuning.recipe import TuningRecipe
from clip_in_training.tuning.run import FINETUNED, begin, data_of, start_backbone, write_summary


class Finetuning:
    """Batches and gradient of stage 2."""

    name = FINETUNED

    def __init__(self, recipe: TuningRecipe, backbone: Backbone, data: Batches, processes: Processes):
        stage = recipe.finetune
        self.steps, self.optimiser_recipe = stage.steps, stage.optimiser
        self.backbone, self.data, self.device = backbone, data, processes.device
        encoder = Encoder(backbone, recipe.backbone.compile)
        loss = ClipInLoss(stage.losses, backbone.family)
        self.gradient_of = StepGradient(
            parallel(encoder, processes), loss, stage.chunk, autocast(recipe.precision, processes.device)
        )

    def inputs(self, first: int, last: int) -> Iterable[Batch]:
        """This process's batches."""
        return self.data.loader(first, last)

    def gradient(self, batch: Batch) -> dict[str, Tensor]:
        """All terms of the loss; the gradient is left in the parameters."""
        return self.gradient_of(batch, self.device)

    def names(self, batch: Batch) -> list[str]:
        """Where each image comes from."""
        return batch.names


def parallel(encoder: torch.nn.Module, processes: Processes) -> torch.nn.Module:
    """DDP around a module if there are several processes."""
    if processes.world == 1:
        return encoder
    cards = [processes.device] if processes.device.type == "cuda" else None
    # A batch without long captions leaves the text encoder out, and some backbones have parts that no vector
    # depends on (the demo's patches): DDP has to look. Buffers do not change (see `train_mode`).
    return DistributedDataParallel(
        encoder, device_ids=cards, find_unused_parameters=True, broadcast_buffers=False
    )


def finetune(
    recipe: TuningRecipe, recipe_text: str, run: Path, resume: bool = False, stop_at: int | None = None
) -> None:
    """Runs stage 2 in a run folder, from its distil.pt if it has one, and leaves finetune.pt and report.html.

    With `resume`, goes on from finetune.pt. `stop_at` ends early, after a checkpoint. Under `torchrun`, every
    process calls it; all must see the same run folder. Raises what `run_stage` raises.
    """
    clock = Clock()
    processes = start(recipe.device)
    begin(recipe, recipe_text, run, resume, FINETUNED, processes)
    backbone = start_backbone(recipe, run)
    backbone = trainable(backbone, recipe.finetune).to(processes.device)
    backbone.to(memory_format=torch.channels_last)
    train_mode(backbone)
    data = data_of(recipe, backbone, processes)
    stage = Finetuning(recipe, backbone, data, processes)
    groups = parameter_groups(backbone, recipe.finetune.optimiser)
    counts = {
        "parameters": sum(p.numel() for p in backbone.parameters()),
        "trained": sum(p.numel() for group in groups for p in group["params"]),
    }
    if processes.first:
        print(f"{recipe.backbone.name}: {counts['trained']:,} of {counts['parameters']:,} parameters train")
    notes = {"seed": recipe.seed, "data": data.fingerprint, "world": processes.world}
    work = Work(recipe, run, processes, clock, notes)
    run_stage(work, stage, groups, resume, stop_at)
