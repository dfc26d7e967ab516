"""`--way lora`: fine-tunes the towers on pairs in a run folder, mixes with the start's weights, and exports."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clip_in_training.adapt import record
from clip_in_training.adapt.card import put_adaptation
from clip_in_training.adapt.encoders import fp32_encoders
from clip_in_training.adapt.export import KEY
from clip_in_training.adapt.inputs import Inputs
from clip_in_training.adapt.lora_recipe import LoraSettings, backbone_of, recipe_of
from clip_in_training.adapt.measure import Right, right
from clip_in_training.adapt.report import report
from clip_in_training.adapt.run import Data, left_out, read_pairs
from clip_in_training.common.created import created
from clip_in_training.common.errors import ExportError
from clip_in_training.common.whole_file import replace_text
from clip_in_training.export.files import checksums, write_json
from clip_in_training.export.statements.golden import with_golden_scores

REPLAYED, PROTECTED = 30, 20
"""Drawn edits of each category, to train on and to check with."""
SEED = 41_000
"""No training, benchmark or replay file draws with it."""
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the trained weights in the mixture with the start's."""
BUNDLE = "bundle"
"""In the run folder: the new bundle until it is whole."""


def adapt_by_lora(inputs: Inputs, settings: LoraSettings, force: bool) -> dict[str, Any]:
    """Adapts `inputs.bundle` and writes `inputs.out`. Returns the record that its provenance keeps.

    Trains in the folder `OUT.run`, where a killed run goes on. Prints the report. Raises `ExportError` if the
    bundle's weights cannot be trained or if nothing was gained, and what fine-tuning and its export raise.
    """
    backbone_of(inputs.bundle, inputs.manifest)  # an unsuitable bundle is refused before anything is drawn
    from clip_in_training.export.tuned import Which, export_run
    from clip_in_training.finetune.stages.finetune import finetune
    from clip_in_training.finetune.variant import to_toml

    run = _run_folder(inputs, settings, force)
    size = int(inputs.manifest["image"]["size"][0])
    train, check = (
        _drawn(run / name, count, size, split)
        for name, count, split in (("replayed", REPLAYED, "train"), ("protected", PROTECTED, "validation"))
    )
    before = read_pairs(inputs, fp32_encoders(inputs.bundle, inputs.manifest, inputs.threads))
    recipe = recipe_of(inputs.bundle, inputs.manifest, inputs.pairs, train, inputs.seed, settings)
    finetune(recipe, to_toml(recipe), run, resume=True)
    curve = _curve(recipe, run, inputs, check)
    chosen = _choose(curve, inputs.keep)
    if chosen["strength"] == 0:
        raise ExportError(
            "nothing was gained: at no strength are more of the validation pairs right while the protected edits "
            f"keep their share within --keep {inputs.keep:g} points; no bundle was written"
        )
    folder = run / BUNDLE
    precisions = [each["precision"] for each in inputs.manifest["variants"] if each["precision"] == "int8"]
    export_run(
        run / "recipe.toml",
        run,
        folder,
        precisions,
        name=inputs.name or inputs.manifest["name"],
        which=Which(towards=None if chosen["strength"] == 1 else chosen["strength"]),
    )
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    after = read_pairs(inputs, fp32_encoders(folder, manifest, inputs.threads))
    entry = _entry(inputs, settings, before, after, curve, chosen)
    print(left_out(before) + report(entry))
    manifest["provenance"][KEY] = [{**entry, "weights": "those of model.safetensors", "created": created()}]
    _keep_features(inputs, folder, manifest)
    _keep_statements(inputs, folder, manifest)
    put_adaptation(folder, manifest["provenance"][KEY])
    manifest["files"] = checksums(folder)
    write_json(folder / "bundle.json", manifest)
    shutil.rmtree(inputs.out, ignore_errors=True)
    folder.rename(inputs.out)
    return manifest["provenance"][KEY][-1]


def _run_folder(inputs: Inputs, settings: LoraSettings, force: bool) -> Path:
    """The folder of the run that these inputs began, or a new one."""
    run = inputs.out.with_name(f"{inputs.out.name}.run")
    kept, digest = run / "inputs.sha256", inputs.digest(settings)
    if run.is_dir() and (not kept.is_file() or kept.read_text(encoding="utf-8") != digest):
        if not force:
            raise ExportError(
                f"{run} was begun with other pairs, another bundle or other settings; give another --out, or --force "
                "to begin again"
            )
        shutil.rmtree(run)
    run.mkdir(parents=True, exist_ok=True)
    replace_text(kept, digest)
    return run


def _drawn(folder: Path, count: int, size: int, split: str) -> Path:
    """Edits of all categories, drawn once."""
    from clip_in_training.scratch.scenes.generate import generate_edits

    if not folder.is_dir():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        generate_edits(partial, count, SEED, size, workers=1, split=split)
        partial.rename(folder)
    return folder


def _curve(recipe, run: Path, inputs: Inputs, check: Path) -> list[dict[str, Any]]:
    """Percent of validation pairs and of protected edits by MMVP's rule, for each strength."""
    from clip_in_training.finetune.backbone.interpolate import between
    from clip_in_training.finetune.recipe import SourceRecipe, ValidationRecipe
    from clip_in_training.finetune.stages.run import load_tuned, start_of_finetuning
    from clip_in_training.finetune.stages.validation import Validation

    start, trained = start_of_finetuning(recipe, run, None).eval(), load_tuned(run)
    held = {"right": inputs.pairs.files["validation"] or inputs.pairs.files["train"], "protected": [check]}
    measures = {
        name: Validation(
            ValidationRecipe(
                records=5000, sources=[SourceRecipe(kind="ultraedit", path=str(path)) for path in paths]
            ),
            start,
        )
        for name, paths in held.items()
    }
    points = []
    for strength in STRENGTHS:
        model = between(start, trained, strength)
        found = {name: measure.measure(model)["pairs"] for name, measure in measures.items()}
        points.append(
            {"anchor": recipe.finetune.losses.anchor, "strength": strength, "margin": None, **found}
        )
    return points


def _choose(curve: list[dict[str, Any]], keep: float) -> dict[str, Any]:
    start = curve[0]
    allowed = [point for point in curve if point["protected"] >= start["protected"] - keep]
    best = max(allowed, key=lambda point: (point["right"], point["strength"]))
    return best if best["right"] > start["right"] else start


def _entry(
    inputs: Inputs,
    settings: LoraSettings,
    before: Data,
    after: Data,
    curve: list[dict[str, Any]],
    chosen: dict[str, Any],
) -> dict[str, Any]:
    held = "validation" if len(before.splits["validation"]) else "train"
    shares: dict[str, tuple[Right, Right]] = {
        split: (
            right(pairs.images, pairs.texts),
            right(after.splits[split].images, after.splits[split].texts),
        )
        for split, pairs in before.splits.items()
    }
    return {
        **inputs.described(),
        "inputs_sha256": inputs.digest(settings),
        "settings": asdict(settings),
        "chosen_on": held,
        "anchor": chosen["anchor"],
        "strength": chosen["strength"],
        **record.learnt(before.splits, before.broken, before.splits[held].facts, *shares[held]),
        "test": record.measured(*shares["test"]) if len(before.splits["test"]) else None,
        "protected": {
            "pairs": 10 * PROTECTED,
            "reference": curve[0]["protected"],
            "before": curve[0]["protected"],
            "after": chosen["protected"],
        },
        "replay": f"{10 * REPLAYED} drawn edits",
        "curve": curve,
    }


def _keep_statements(inputs: Inputs, folder: Path, manifest: dict[str, Any]) -> None:
    """The weights of statements are those of the old bundle; their golden scores are of the new vectors."""
    if "statements" in inputs.manifest:
        manifest["statements"] = with_golden_scores(inputs.manifest["statements"], folder, manifest["golden"])


def _keep_features(inputs: Inputs, folder: Path, manifest: dict[str, Any]) -> None:
    """The graph of features is no part of the towers; its golden pictures get names of their own."""
    features = inputs.manifest.get("features")
    if features is None:
        return
    manifest["features"] = features
    shutil.copyfile(inputs.bundle / features["graph"], folder / features["graph"])
    golden = json.loads((inputs.bundle / features["golden"]).read_text(encoding="utf-8"))
    for number, entry in enumerate(golden["images"]):
        name = f"golden/features-{number}{Path(entry['file']).suffix}"
        shutil.copyfile(inputs.bundle / entry["file"], folder / name)
        entry["file"] = name
    write_json(folder / features["golden"], golden)
