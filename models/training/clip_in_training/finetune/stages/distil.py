"""Stage 1: a text encoder with rotary positions learns the vectors of the original one.

As in TULIP (arXiv 2410.10034), both read the same prefix of a caption, as long as the original's context, and
the loss is 1 - cosine. The teacher's vectors may also be given with the texts (a source of kind `texts`): then no
teacher is run, and it may have another tokenizer.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from clip_in_training.common.autocast import autocast
from clip_in_training.common.clock import Clock
from clip_in_training.common.errors import TrainingError
from clip_in_training.common.loop import NotANumber, Work, run_stage
from clip_in_training.common.parallel import parallel
from clip_in_training.common.processes import Processes, start
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.compute import compile_towers
from clip_in_training.finetune.backbone.groups import parameter_groups
from clip_in_training.finetune.backbone.load import load_backbone, load_original
from clip_in_training.finetune.backbone.state import restore, state_of
from clip_in_training.finetune.backbone.trainable import trainable
from clip_in_training.finetune.readers.records import Captions
from clip_in_training.finetune.recipe import FinetuneRecipe, TuningRecipe
from clip_in_training.finetune.report.report import write_report
from clip_in_training.finetune.stages.agreement import agreement, lengths, longer_context, own_padding
from clip_in_training.finetune.stages.encoder import train_mode
from clip_in_training.finetune.stages.run import DISTILLED, Data, begin, data_of, outcome, write_summary

HELD_OUT = 512
"""Captions that stage 1 never trains on, to measure agreement with; of little data, a tenth."""
IMAGES = 256
"""Images with long captions that longer contexts are measured with."""


class Student(nn.Module):
    """A backbone's text encoder as a module of its own, so that DDP sees the pass."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, ids: Tensor) -> Tensor:
        """int64 [texts, length] to unit vectors."""
        return self.backbone.encode_text(ids)


class Distillation:
    """Captions and gradient of stage 1."""

    name = DISTILLED

    def __init__(
        self,
        recipe: TuningRecipe,
        student: Backbone,
        teacher: Backbone | None,
        data: Data,
        processes: Processes,
    ):
        """`teacher` is None where every source has its vectors."""
        self.steps, self.optimiser_recipe = recipe.distil.steps, recipe.distil.optimiser
        self.backbone, self.teacher, self.data, self.processes = student, teacher, data, processes
        self.student = parallel(Student(student), processes)
        self.autocast = autocast(recipe.precision, processes.device)
        self.chunk = recipe.distil.chunk
        # A student with a shorter context than its teacher learns from what both can read.
        self.cut = student.text_rules.context_length
        if teacher is not None:
            self.cut = min(teacher.text_rules.context_length, self.cut)
        self.end_id = student.text_rules.ids("")[-1]
        self.held_out, self.held_taught = self._hold_out()
        self._held = {tuple(row) for row in self._rows(self.held_out)}

    def inputs(self, first: int, last: int) -> Iterable[Captions]:
        """This process's captions."""
        return self.data.batches.caption_loader(first, last, self.cut)

    def gradient(self, captions: Captions) -> dict[str, Tensor]:
        """1 - cosine, mean over the captions of all processes. Held-out captions do not count."""
        kept = [i for i, row in enumerate(self._rows(captions.cut)) if tuple(row) not in self._held]
        # Texts of similar length go together, so that a chunk is no longer than it must be.
        kept.sort(key=lengths(captions.cut, self.end_id).tolist().__getitem__)
        ids = captions.cut[kept or [0]].to(self.processes.device)
        known = None if captions.taught is None else captions.taught[kept or [0]].to(self.processes.device)
        # Other processes may have left out more, or fewer: the mean is over all captions that count.
        counted = self.processes.mean(torch.tensor(float(len(kept)), device=ids.device))
        share = 1 / counted if kept else 0.0
        size = self.chunk or len(ids)
        pieces = ids.split(size)
        loss = torch.zeros((), device=ids.device)
        bad: list[int] = []
        student = self.student
        for index, piece in enumerate(pieces):
            # Gradients of processes are averaged once, with the last chunk.
            several = isinstance(student, DistributedDataParallel) and index < len(pieces) - 1
            with student.no_sync() if several else contextlib.nullcontext():  # type: ignore[operator]
                piece = piece[:, : int(lengths(piece, self.end_id).max())]
                taught = self._taught(piece, None if known is None else known[index * size :][: len(piece)])
                with self.autocast():
                    vectors = self.student(own_padding(piece, self.backbone.text_rules))
                part = (1 - (vectors * taught).sum(-1)).sum() * share
                part.backward()
            loss += part.detach()
            broken = ~torch.isfinite(vectors.detach()).all(1)
            bad += [index * size + row for row in broken.nonzero().squeeze(1).tolist()]
        mean = self.processes.mean(loss)
        if mean != mean:
            raise NotANumber([kept[row] for row in bad if kept])
        return {"loss": torch.tensor(mean, device=self.processes.device)}

    def _taught(self, ids: Tensor, known: Tensor | None) -> Tensor:
        """The teacher's vectors of some prefixes: those that the sources gave, or else the teacher's answer."""
        if self.teacher is None:
            assert known is not None
            return known
        with torch.no_grad(), self.autocast():
            return self.teacher.encode_text(own_padding(ids, self.teacher.text_rules))

    def names(self, captions: Captions) -> list[str]:
        """Where each caption comes from."""
        return captions.names

    def stepped(self) -> None:
        """Nothing is kept beside the weights."""

    def state(self) -> dict[str, Any]:
        """The backbone's weights."""
        return {"backbone": state_of(self.backbone)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes them back. Raises `CheckpointError` if they are another backbone's."""
        restore(self.backbone, state["backbone"])

    def _rows(self, ids: Tensor) -> Iterator[list[int]]:
        """The tokens of each text without padding."""
        for row, count in zip(ids.tolist(), lengths(ids, self.end_id).tolist(), strict=True):
            yield row[:count]

    def _hold_out(self) -> tuple[Tensor, Tensor | None]:
        """Prefixes, int64 [texts, length], padded like any batch: from steps that the stage does not reach. And the
        teacher's vectors of them, if the sources have some.

        If the stage reads some of these texts nevertheless, in a later epoch, they are left out there.
        """
        wanted = min(HELD_OUT, max(1, sum(len(source) for source in self.data.sources) // 10))
        found: dict[tuple, Tensor | None] = {}
        # Of all processes, or each would hold out others, and what one measures with another would train on.
        batches = self.data.batches.of_all_processes()
        for step in range(self.steps, self.steps + 64):
            captions = batches.make_captions(step, self.cut)
            for number, row in enumerate(self._rows(captions.cut)):
                found[tuple(row)] = None if captions.taught is None else captions.taught[number]
            if len(found) >= wanted:
                break
        rules = (self.teacher or self.backbone).text_rules
        known = [vector for vector in list(found.values())[:wanted] if vector is not None]
        held = rules.pad([list(row) for row in list(found)[:wanted]])
        return held, torch.stack(known) if known else None

    def measure(self) -> dict[str, Any]:
        """Agreement with the teacher on the captions that were held out."""
        self.backbone.eval()
        ids = self.held_out.to(self.processes.device)
        if self.teacher is None:
            assert self.held_taught is not None
            taught = self.held_taught.to(self.processes.device)
        else:
            with torch.inference_mode():
                taught = self.teacher.encode_text(own_padding(ids, self.teacher.text_rules))
        counts = lengths(self.held_out, self.end_id).tolist()
        found = agreement(self.backbone, taught, ids, counts)
        train_mode(self.backbone)
        return found


def distil(
    recipe: TuningRecipe, recipe_text: str, run: Path, resume: bool = False, stop_at: int | None = None
) -> None:
    """Runs stage 1 in a run folder and leaves distil.pt, distil.json and the report.

    Raises `TrainingError` if the recipe has no such stage, and what `run_stage` raises.
    """
    if recipe.distil.steps == 0:
        raise TrainingError("the recipe has no stage 1: `distil.steps` is 0")
    clock = Clock()
    processes = start(recipe.device)
    begin(recipe, recipe_text, run, resume, processes)
    student = load_backbone(recipe.backbone, recipe.seed)
    data = data_of(recipe, student, run, processes)
    teacher = None
    if not _vectors_given(data, student):
        teacher = load_original(recipe.backbone, recipe.seed).to(processes.device)
    if teacher and (teacher.positions, teacher.text_rules.context_length) == (
        student.positions,
        student.text_rules.context_length,
    ):
        raise TrainingError(
            f"the text encoder of {recipe.backbone.name} keeps its positions: there is nothing to distil; "
            "set `distil.steps = 0`"
        )
    text_only(student)
    if recipe.backbone.compile:
        compile_towers(student)
    student.to(processes.device)
    train_mode(student)
    stage = Distillation(recipe, student, teacher, data, processes)
    before = stage.measure()
    groups = parameter_groups(student, recipe.distil.optimiser)
    notes = {"seed": recipe.seed, "data": data.fingerprint(), "world": processes.world}
    work = Work(recipe, run, processes, clock, notes)
    last = run_stage(work, stage, groups, resume, stop_at)
    student.eval()
    if processes.first:
        write_summary(
            run,
            DISTILLED,
            {
                "agreement": {"before": before, "after": stage.measure()},
                "longer_context": teacher
                and longer_context(student, teacher, held_out_images(recipe, data), stage.cut),
                **outcome(last, data, clock, processes),
            },
        )
        write_report(run)
    processes.wait()


def _vectors_given(data: Data, student: Backbone) -> bool:
    """Whether all sources have the teacher's vectors. Raises `TrainingError` if some have those of another width."""
    given = [source.taught(0) for source in data.sources]
    for source, vector in zip(data.sources, given, strict=True):
        if vector is not None and len(vector) != student.embedding_dim:
            raise TrainingError(
                f"{source} has vectors of {len(vector)} numbers, but the student's have {student.embedding_dim}"
            )
    return all(vector is not None for vector in given)


def text_only(backbone: Backbone) -> None:
    """Freezes all but the text encoder; scale and bias too, which no term of this stage reads."""
    trainable(backbone, FinetuneRecipe(trains="text"))
    for name, parameter in backbone.named_parameters():
        if name.rpartition(".")[2] in ("logit_scale", "logit_bias"):
            parameter.requires_grad_(False)


def held_out_images(recipe: TuningRecipe, data: Data) -> Iterator:
    """Batches of stage 2's last steps, until they have enough images with long captions."""
    found = 0
    for step in range(recipe.finetune.steps, recipe.finetune.steps + 64):
        images = recipe.finetune.pairs + recipe.finetune.singles if recipe.finetune.steps else 0
        if images == 0 or found >= IMAGES:
            return
        batch = data.batches.make_batch(step)
        found += int(batch.has_long.sum())
        yield batch
