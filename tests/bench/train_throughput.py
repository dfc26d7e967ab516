"""Training steps per second of `clip_in_training finetune` and of open_clip's own training loop, alternating.

    python -m tests.bench.train_throughput --batch 16 --rounds 8
    python -m tests.bench.train_throughput --device cuda --precision bf16 --batch 512

Both train a model with random weights (ViT-B/32 by default) with the CLIP loss on short captions: the same images,
the same tokens in rows of 77. This project's loop is stage 2 with L_short alone, including logs and gradient
clipping. open_clip's loop is `open_clip_train.train.train_one_epoch` with the objects that its main() creates.
Neither includes reading data and checkpoints. A round has some steps of each, in alternating order. The ratio of a
round is their seconds divided by ours, so that other load affects both sides equally; the median is reported.
"""

import argparse
import copy
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from clip_in_training.common import loop
from clip_in_training.common.clock import Clock
from clip_in_training.common.processes import Processes
from clip_in_training.finetune.backbone.groups import parameter_groups
from clip_in_training.finetune.backbone.load import load_backbone
from clip_in_training.finetune.readers.records import Batch
from clip_in_training.finetune.recipe import TuningRecipe, parse_tuning_recipe
from clip_in_training.finetune.stages.encoder import train_mode
from clip_in_training.finetune.stages.finetune import Finetuning
from open_clip.loss import ClipLoss
from open_clip_train.scheduler import cosine_lr
from open_clip_train.train import train_one_epoch
from PIL import Image

from tests.bench import machine

RECIPE = """
name = "throughput"
description = "L_short alone"
precision = "{precision}"
device = "{device}"
[backbone]
name = "{architecture}"
positions = "absolute"
context_length = 77
[finetune]
steps = 100000
[finetune.losses]
clip_long = 0
hard_negative_short = 0
"""
THEIR_PRECISION = {"fp32": "fp32", "bf16": "amp_bf16"}
WORDS = ("a", "red", "bolt", "beside", "blue", "mug", "on", "the", "table", "with", "scratch", "label")


def batches(
    backbone, size: int, count: int, device: torch.device
) -> tuple[list[Batch], list[tuple[torch.Tensor, torch.Tensor]]]:
    """The same data for both: uint8 pixels for this project, normalised floats as from open_clip's loader. For a
    GPU
    both are in page-locked memory, as from both loaders."""
    pinned = (lambda tensor: tensor.pin_memory()) if device.type == "cuda" else lambda tensor: tensor
    random = torch.Generator().manual_seed(1)
    ours, theirs = [], []
    rules = backbone.image_rules
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (rules.mean, rules.std))
    for _ in range(count):
        pixels = torch.randint(0, 256, (size, 224, 224, 3), generator=random, dtype=torch.uint8)
        pixels = torch.stack([backbone.preprocess(Image.fromarray(image.numpy())) for image in pixels])
        picks = torch.randint(0, len(WORDS), (size, 12), generator=random).tolist()
        rows = [backbone.text_rules.ids(" ".join(WORDS[i] for i in pick)) for pick in picks]
        ids = torch.zeros(size, 77, dtype=torch.int64)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        mask = torch.ones(size, dtype=torch.bool)
        floats = ((pixels.permute(0, 3, 1, 2) / 255 - mean) / std).contiguous()
        pixels, floats, ids, mask = map(pinned, (pixels, floats, ids, mask))
        ours.append(Batch(pixels, 0, ids, ids, mask, ~mask, [str(i) for i in range(size)]))
        theirs.append((floats, ids))
    return ours, theirs


class Stopwatch:
    """Wall and processor seconds between the first and the last item of a loop."""

    def __init__(self, items):
        self.items, self.wall, self.cpu = items, 0.0, 0.0

    def __iter__(self):
        began = time.monotonic(), time.process_time()
        for number, item in enumerate(self.items, 1):
            if number == len(self.items) and torch.cuda.is_initialized():
                torch.cuda.synchronize()
            self.wall, self.cpu = time.monotonic() - began[0], time.process_time() - began[1]
            yield item


class Ours:
    """Stage 2's loop."""

    def __init__(self, recipe: TuningRecipe, backbone, data: list[Batch], folder: Path):
        processes = Processes(0, 1, torch.device(recipe.device))
        backbone.to(memory_format=torch.channels_last)
        train_mode(backbone)
        self.stage = Finetuning(recipe, backbone, None, processes)
        self.groups = parameter_groups(backbone, recipe.finetune.optimiser)
        self.work, self.data = loop.Work(recipe, folder, processes, Clock(), {}), data
        loop.checkpoint.save = lambda *_: None
        # Adam's moments are created by its first step; a continuing loop has them already.
        make = torch.optim.AdamW
        self.optimiser = None

        def once(*arguments, **options):
            self.optimiser = self.optimiser or make(*arguments, **options)
            return self.optimiser

        loop.torch.optim.AdamW = once

    def run(self) -> tuple[float, float]:
        watch = Stopwatch(self.data)
        self.stage.inputs = lambda first, last: watch
        loop.run_stage(self.work, self.stage, self.groups, resume=False, stop_at=len(self.data))
        return watch.wall, watch.cpu


class Theirs:
    """open_clip's loop, optimiser and schedule, as created by its main()."""

    def __init__(self, recipe: TuningRecipe, model, data):
        self.model, self.items = model.to(recipe.device), data
        model.output_dict = True
        named = list(model.named_parameters())
        small = [
            p for n, p in named if p.ndim < 2 or "bn" in n or "ln" in n or "bias" in n or "logit_scale" in n
        ]
        known = {id(p) for p in small}
        groups = [
            {"params": small, "weight_decay": 0.0},
            {"params": [p for _, p in named if id(p) not in known], "weight_decay": 0.2},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=1e-5, betas=(0.9, 0.98), eps=1e-6)
        self.schedule = cosine_lr(self.optimiser, 1e-5, 5000, 100000)
        self.arguments = SimpleNamespace(
            device=recipe.device, precision=THEIR_PRECISION[recipe.precision],
            distill=False, accum_freq=1, skip_scheduler=False, horovod=False,
            grad_clip_norm=None, log_every_n_steps=100, rank=0, local_rank=0, world_size=1, wandb=False,
            batch_size=len(data[0][0]), distributed=False,
        )  # fmt: skip

    def run(self) -> tuple[float, float]:
        watch = Stopwatch(self.items)
        loader = _Loader(watch, len(self.items), len(self.items) * self.arguments.batch_size)
        data = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda epoch: None)}
        train_one_epoch(
            self.model, data, ClipLoss(), 0, self.optimiser, None, self.schedule, None, self.arguments
        )
        return watch.wall, watch.cpu


class _Loader:
    def __init__(self, items, batches: int, samples: int):
        self.items, self.num_batches, self.num_samples = items, batches, samples

    def __iter__(self):
        return iter(self.items)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16, help="images per step (default: 16)")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of both (default: 8)")
    parser.add_argument("--steps", type=int, default=3, help="steps of each in a round (default: 3)")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--architecture", default="ViT-B-32", help="name in open_clip (default: ViT-B-32)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    logging.disable(logging.INFO)
    print(machine.describe())
    recipe = parse_tuning_recipe(RECIPE.format(**vars(options)))
    backbone = load_backbone(recipe.backbone, seed=1)
    # The last item only stops the clock: a step is finished when the next item is requested.
    mine, others = batches(backbone, options.batch, options.steps + 1, torch.device(options.device))
    with tempfile.TemporaryDirectory() as folder:
        theirs = Theirs(recipe, copy.deepcopy(backbone.clip).train(), others)
        ours = Ours(recipe, backbone.to(recipe.device), mine, Path(folder))
        sides = {"ours": ours.run, "open_clip": theirs.run}
        for run in sides.values():
            _quietly(run)
        ratios, cpu, seconds = [], [], {name: [] for name in sides}
        for number in range(options.rounds):
            names = list(sides) if number % 2 == 0 else list(sides)[::-1]
            took = {name: _quietly(sides[name]) for name in names}
            ratios.append(took["open_clip"][0] / took["ours"][0])
            cpu.append(took["open_clip"][1] / took["ours"][1])
            for name in sides:
                seconds[name].append(took[name][0] / options.steps)
            print(
                f"round {number + 1}: wall ratio {ratios[-1]:.3f}, processor ratio {cpu[-1]:.3f}", flush=True
            )
    for name, values in seconds.items():
        step = statistics.median(values)
        print(f"{name}: {step:.3f} s a step of {options.batch}, {options.batch / step:.2f} images/s (median)")
    print(
        f"throughput, ours to open_clip's: {statistics.median(ratios):.3f} by the wall, "
        f"{statistics.median(cpu):.3f} by processor time (medians of {options.rounds} paired rounds)"
    )


def _quietly(run) -> tuple[float, float]:
    """Hides the line per step that stage 2 prints without a terminal."""
    out, sys.stdout = sys.stdout, open("/dev/null", "w")
    try:
        return run()
    finally:
        sys.stdout.close()
        sys.stdout = out


if __name__ == "__main__":
    main()
