"""Writes a bundle from a run folder atomically: graphs, parity checks, provenance."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from clip_in_training.common import checkpoint
from clip_in_training.export.card import write_card
from clip_in_training.export.evaluate.benchmark import benchmark
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums, whole_or_not_at_all, write_json
from clip_in_training.export.golden import write_golden
from clip_in_training.export.graph import export_graphs
from clip_in_training.export.manifest import Interface, fp32_variant, manifest, provenance
from clip_in_training.export.parity import checks, measure_parity
from clip_in_training.export.precision_table import section
from clip_in_training.export.samples import write_samples
from clip_in_training.export.variants.add import add_variants
from clip_in_training.export.variants.subject import check_inputs
from clip_in_training.export.weights import ExportError, round_weights, save_weights
from clip_in_training.scratch.data.examples import load_edits
from clip_in_training.scratch.data.shards import fingerprint
from clip_in_training.scratch.model.bundle import load_bundle
from clip_in_training.scratch.model.dual_encoder import DualEncoder, parameter_count
from clip_in_training.scratch.recipe import LossRecipe, Recipe
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES
from clip_in_training.scratch.tokenizer.encode import END_ID, PAD_ID, START_ID, load_tokenizer
from clip_in_training.scratch.train.run import START, TOKENIZER
from clip_in_training.scratch.train.stage_b import NAME as STAGE_B

SAMPLE_SEED = 20_000
"""Seeds of golden and sample scenes. They are far from the data's seed, and their random streams differ as well."""


def export_bundle(
    recipe: Recipe,
    recipe_name: str,
    recipe_text: str,
    run: Path,
    out: Path,
    precisions: Sequence[str] | None = None,
) -> dict:
    """Exports the stage B checkpoint of a run folder to `out`, replacing an existing bundle.

    fp32 is always exported, and `precisions` beside it (see `variants.add`), by default int8. A model whose int8
    variant differs too much is exported without int8, and a message says so.

    Returns the benchmarks. Raises `ExportError` if the training is unfinished, or if the graphs disagree with
    PyTorch; `out` is unchanged then.
    """
    state = checkpoint.load(run / f"{STAGE_B}.pt")
    if state["step"] < state["steps"]:
        raise ExportError(
            f"the training in {run} stopped at step {state['step']} of {state['steps']}; run `train --resume`"
        )
    with whole_or_not_at_all(out) as folder:
        benchmarks = _write(recipe, recipe_name, recipe_text, run, state, folder)
        try:
            add_variants(folder, ["int8"] if precisions is None else list(precisions))
        except ExportError as reason:
            if precisions is not None:
                raise
            print(f"exported without int8: {reason}")
    return benchmarks


def _write(recipe: Recipe, recipe_name: str, recipe_text: str, run: Path, state: dict, folder: Path) -> dict:
    """Fills the folder step by step; each step needs the previous ones."""
    root = Path(recipe.data.directory)
    tokenize = load_tokenizer(run / TOKENIZER, recipe.text_tower.context_length)
    model = DualEncoder(recipe, tokenize.vocabulary_size)
    model.load_state_dict(round_weights(state["modules"]["model"]))
    model.eval()
    save_weights(model.state_dict(), folder / "model.safetensors")
    shutil.copyfile(run / TOKENIZER, folder / "tokenizer.json")
    export_graphs(model, folder)

    source = provenance(recipe_name, recipe_text, fingerprint(root), state["clock"])
    if (run / START).is_file():
        source["started_from"] = json.loads((run / START).read_text(encoding="utf-8"))
    content = manifest(_interface(recipe, model), source)
    write_json(folder / "bundle.json", content)
    # From here on the reference is what a user of the bundle gets: the stored weights, reloaded.
    reference, preprocess, tokenize = load_bundle(folder)
    graphs = Graphs(folder / "image.onnx", folder / "text.onnx", tokenize)
    edits = load_edits(root / "test", recipe.data.image_size, ATTRIBUTES)
    pixels, texts = check_inputs(edits)
    parity = measure_parity(checks(reference, tokenize, pixels, texts), graphs)
    benchmarks = benchmark(graphs, recipe)

    write_golden(reference, preprocess, tokenize, folder, SAMPLE_SEED)
    write_samples(folder, SAMPLE_SEED)
    content["provenance"]["benchmarks"] = benchmarks
    content["provenance"]["edit_categories"] = recipe.data.categories
    content["variants"] = [fp32_variant(parity, benchmark_delta=0.0)]
    write_card(
        folder / "model-card.md",
        {
            "name": recipe.name,
            "description": recipe.description,
            "dim": recipe.embedding_dim,
            "image_parameters": parameter_count(model.image_tower),
            "text_parameters": parameter_count(model.text_tower),
            "size": recipe.data.image_size,
            "grid": model.image_tower.grid,
            "depth": recipe.text_tower.depth,
            "width": recipe.text_tower.width,
            "context": recipe.text_tower.context_length,
            "edits": recipe.data.train_pairs_per_category * len(recipe.data.categories),
            "categories": ", ".join(recipe.data.categories),
            "fingerprint": source["data_fingerprint"][:16],
            "seed": recipe.seed,
            "steps_a": recipe.stage_a.steps,
            "steps_b": recipe.stage_b.steps,
            "start": _started_from(source),
            "batch_pairs": recipe.stage_b.pairs,
            "losses": _describe(recipe.stage_b.losses),
            "wall": source["training_seconds"] / 60,
            "cpu": source["training_cpu_seconds"] / 60,
            "precision": recipe.precision,
            "precisions": section(content, folder),
            "parity_images": len(pixels),
            "parity_texts": len(texts),
            "benchmarks": benchmarks,
        },
    )
    content["files"] = checksums(folder)
    write_json(folder / "bundle.json", content)
    return benchmarks


def _started_from(source: dict) -> str:
    """A sentence of the card; empty if the run trained its own stage A."""
    start = source.get("started_from")
    if start is None:
        return ""
    return (
        f"In place of stage A this run began with the {start['part']} of {start['name']} (recipe {start['recipe']}, "
        f"weights `{start['weights'][:16]}`), which an earlier run had trained. "
    )


def _interface(recipe: Recipe, model: DualEncoder) -> Interface:
    return Interface(
        name=recipe.name,
        description=recipe.description,
        embedding_dim=recipe.embedding_dim,
        image_size=recipe.data.image_size,
        mean=recipe.image_tower.mean,
        std=recipe.image_tower.std,
        patch_grid=model.image_tower.grid,
        context_length=recipe.text_tower.context_length,
        start_id=START_ID,
        end_id=END_ID,
        pad_id=PAD_ID,
        positions=recipe.text_tower.positions,
        logit_scale=model.scale().item(),
        samples="samples/samples.json",
    )


def _describe(losses: LossRecipe) -> str:
    """Describes the weighted loss terms."""
    names = {
        "clip_short": "L_short",
        "clip_long": "L_long",
        "hard_negative_short": f"L_HN ({losses.hard_negative}) on short captions",
        "hard_negative_long": f"L_HN ({losses.hard_negative}) on long captions",
        "attributes": "attribute loss",
        "patches": "patch loss",
        "changed_captions": "the loss of changed captions",
    }
    terms = [f"{getattr(losses, key):g} x {name}" for key, name in names.items() if getattr(losses, key) > 0]
    return " + ".join(terms)
