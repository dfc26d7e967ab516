"""From a run folder to a bundle."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from clip_in_training.common import checkpoint
from clip_in_training.common.errors import CheckpointError, ExportError
from clip_in_training.common.whole_file import replace_text
from clip_in_training.export.dual_encoder import Identity, write_dual_encoder
from clip_in_training.export.weights import round_weights
from clip_in_training.small.export.card import card, notice
from clip_in_training.small.export.material import material
from clip_in_training.small.export.reload import SHAPE
from clip_in_training.small.export.samples import SAMPLES, write_pictures
from clip_in_training.small.lite0_weights import pretrained
from clip_in_training.small.model.backbone import Heads, SmallBackbone
from clip_in_training.small.recipe import SmallRecipe
from clip_in_training.small.train import balance, look, read
from clip_in_training.small.train.run import APART, text_tower

PRECISIONS = ("int8",)


def load_small(recipe: SmallRecipe, state: dict) -> SmallBackbone:
    """The model of a checkpoint, its matrices rounded to what fp16 holds. Raises `BackboneError` if a tower is
    missing, and `CheckpointError` if the checkpoint is of other shapes.
    """
    towers = text_tower(recipe)
    heads = Heads(recipe, towers.encoder.shape.width)
    try:
        heads.load_state_dict(state["modules"]["heads"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"the checkpoint is not one of this recipe ({error})") from error
    model = SmallBackbone(pretrained(), towers.encoder, heads, towers.text_rules, recipe).eval()
    model.load_state_dict(round_weights(model.state_dict()))
    return model


def cpu_seconds(run: Path, state: dict) -> float:
    """Processor time of all stages, those that were trained apart included."""
    seconds = state["clock"]["cpu"]
    read_file, look_file = run / f"{read.NAME}.pt", run / f"{look.NAME}.pt"
    if read_file.is_file() and look_file.is_file() and checkpoint.load(read_file).get(APART):
        seconds += checkpoint.load(look_file)["clock"]["cpu"]
    return seconds


def export_small(
    recipe: SmallRecipe,
    recipe_name: str,
    text: str,
    run: Path,
    out: Path,
    precisions: Sequence[str] = PRECISIONS,
    unfinished: bool = False,
) -> dict:
    """Writes the bundle of a run folder to `out`, replacing what is there, and returns its manifest. `precisions` are
    added to fp32.

    Raises `ExportError` if the training has not ended (unless `unfinished`), or if a graph disagrees with PyTorch,
    and `CheckpointError` if there is no run; `out` is unchanged then.
    """
    state = checkpoint.load(run / f"{balance.NAME}.pt")
    if state["step"] < state["steps"] and not unfinished:
        raise ExportError(
            f"the training in {run} stopped at step {state['step']} of {state['steps']}; run it again to go on"
        )
    model = load_small(recipe, state)
    inputs = material(recipe)
    parameters = [
        sum(p.numel() for p in tower.parameters()) for tower in (model.image_tower, model.text_tower)
    ]

    def documents(manifest: dict, folder: Path, *_: object) -> str:
        replace_text(folder / "NOTICE", notice(manifest["name"]))
        write_pictures(folder)
        return card(recipe, manifest, folder, inputs.description, (parameters[0], parameters[1]))

    identity = Identity(
        name=recipe.name,
        description=recipe.description,
        provenance={
            "recipe": recipe_name,
            "recipe_text": text,
            "data_fingerprint": state["data"],
            "training_pairs": state["pairs"],
            "steps": state["step"],
            SHAPE: asdict(model.text_tower.encoder.shape),
            "training_cpu_seconds": round(cpu_seconds(run, state), 1),
        },
        card=documents,
        weights=True,
        halved=True,
        samples=SAMPLES,
    )
    return write_dual_encoder(model, identity, out, precisions, inputs)
