"""Exports a fine-tuned backbone from a run folder of `finetune`, with the record of its training."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clip_in_training.common import checkpoint
from clip_in_training.common.errors import ExportError, TrainingError
from clip_in_training.common.recipe import read_recipe
from clip_in_training.export.backbone_card import Making, tuned_card
from clip_in_training.export.dual_encoder import Identity, write_dual_encoder
from clip_in_training.export.inputs import from_folder
from clip_in_training.export.source import api_name
from clip_in_training.finetune.backbone.backbone import Backbone
from clip_in_training.finetune.backbone.interpolate import between
from clip_in_training.finetune.recipe import TuningRecipe, parse_tuning_recipe

FINETUNED, DISTILLED = "finetune", "distil"
"""Names of the stages' files in a run folder."""


@dataclasses.dataclass(frozen=True)
class Which:
    """Selects the weights of a run to export."""

    checkpoint: str = f"{FINETUNED}.pt"
    """Its file in the run folder."""
    towards: float | None = None
    """Interpolation factor between the start's weights (0) and these (1); None: these weights."""
    start: Path | None = None
    """distil.pt of the other run that stage 2 started from, if any."""


def export_run(
    recipe_path: Path,
    run: Path,
    out: Path,
    precisions: Sequence[str] = (),
    calibrate: Path | None = None,
    name: str | None = None,
    which: Which | None = None,
) -> dict:
    """Writes the bundle of a run folder and returns its manifest.

    Raises `ExportError` if the run is unfinished or belongs to another recipe, `CheckpointError` if there is none,
    and the errors of `export_tuned`; `out` is unchanged then.
    """
    which = which or Which()
    text = read_recipe(recipe_path)
    recipe = parse_tuning_recipe(text, str(recipe_path))
    kept = run / "recipe.toml"
    if kept.is_file() and parse_tuning_recipe(read_recipe(kept), str(kept)) != recipe:
        raise ExportError(f"{run} was not trained with the recipe {recipe_path}: export with {kept}")
    stages = _finished(recipe, run, which)
    making = Making(
        recipe_name=recipe_path.name,
        recipe_text=text,
        data_fingerprint=stages[-1].get("data", "unknown"),
        clock={kind: sum(stage["clock"][kind] for stage in stages) for kind in ("wall", "cpu")},
        agreement=_agreement(run) if recipe.distil.steps else None,
        which=_in_words(run, which),
    )
    return export_tuned(_model(recipe, run, which), making, out, precisions, calibrate, name)


def export_tuned(
    backbone: Backbone,
    making: Making,
    out: Path,
    precisions: Sequence[str] = (),
    calibrate: Path | None = None,
    name: str | None = None,
) -> dict:
    """Writes the bundle of a backbone whose adapters are merged, and returns its manifest.

    Raises `DataError` if the folder `calibrate` cannot be used, and `ExportError` as `write_dual_encoder` does;
    `out` is unchanged then.
    """
    recipe = parse_tuning_recipe(making.recipe_text, making.recipe_name)
    identity = Identity(
        name=name or api_name(recipe.name),
        description=recipe.description,
        provenance={
            "recipe": making.recipe_name,
            "recipe_text": making.recipe_text,
            "data_fingerprint": making.data_fingerprint,
            "backbone": {**dataclasses.asdict(recipe.backbone), "seed": recipe.seed},
            "training_seconds": round(making.clock["wall"], 1),
            "training_cpu_seconds": round(making.clock["cpu"], 1),
            **({"weights": making.which} if making.which else {}),
            **({"teacher_agreement": making.agreement} if making.agreement else {}),
        },
        card=lambda manifest, folder, material, backbone: tuned_card(
            manifest, folder, material, backbone, recipe, making
        ),
        weights=True,
    )
    material = from_folder(calibrate, backbone) if calibrate else None
    return write_dual_encoder(backbone, identity, out, precisions, material)


def _model(recipe: TuningRecipe, run: Path, which: Which) -> Backbone:
    from clip_in_training.finetune.stages.run import load_tuned, start_of_finetuning

    trained = load_tuned(run, which.checkpoint)
    if which.towards is None:
        return trained
    if not 0 <= which.towards <= 1:
        raise ExportError(f"--towards must be between 0 and 1, not {which.towards}")
    try:
        start = start_of_finetuning(recipe, run, which.start)
    except TrainingError as error:
        raise ExportError(
            f"--towards needs the start's weights: {error}, or name its file with --start"
        ) from error
    return between(start.eval(), trained, which.towards)


def _in_words(run: Path, which: Which) -> str:
    """Describes which weights were exported; empty for those of the last step."""
    said = []
    if which.checkpoint != f"{FINETUNED}.pt":
        said.append(f"{which.checkpoint}, step {checkpoint.load(run / which.checkpoint)['step']}")
    if which.towards is not None:
        said.append(
            f"{which.towards:g} of the way from the weights that stage 2 started from to the trained ones"
        )
    return "; ".join(said)


def _finished(recipe: TuningRecipe, run: Path, which: Which) -> list[dict]:
    """The last checkpoints of the recipe's stages."""
    steps = {DISTILLED: recipe.distil.steps, FINETUNED: recipe.finetune.steps}
    states = []
    for stage in (stage for stage, count in steps.items() if count):
        last = which.checkpoint if stage == FINETUNED else f"{stage}.pt"
        state = checkpoint.load(run / last)
        if last == f"{stage}.pt" and state["step"] < state["steps"]:
            raise ExportError(
                f"{stage} in {run} stopped at step {state['step']} of {state['steps']}; "
                f"run `{stage} --resume`"
            )
        states.append({key: state[key] for key in ("clock", "data") if key in state})
    if not states:
        raise ExportError(
            "the recipe has no steps of `distil` or `finetune`: export the checkpoint with --from"
        )
    return states


def _agreement(run: Path) -> dict[str, Any] | None:
    """Stage 1's measurements from distil.json: the cosines between the rotary encoder and its teacher."""
    path = run / f"{DISTILLED}.json"
    if not path.is_file():
        return None
    measured = json.loads(path.read_text(encoding="utf-8")).get("agreement") or {}
    measured = measured.get("after", measured)
    return measured if "all" in measured else None
