"""Writes a bundle from a run folder: graphs, proof, provenance; whole or not at all."""

import shutil
from pathlib import Path

import numpy as np

from clip_in_training.data.examples import load_edits
from clip_in_training.data.shards import fingerprint
from clip_in_training.evaluate.benchmark import benchmark
from clip_in_training.evaluate.graphs import Graphs
from clip_in_training.export.card import write_card
from clip_in_training.export.files import checksums, whole_or_not_at_all, write_json
from clip_in_training.export.golden import TEXTS, write_golden
from clip_in_training.export.graph import export_graphs
from clip_in_training.export.manifest import GOLDEN_TOLERANCE, manifest, provenance
from clip_in_training.export.parity import checks, measure_parity
from clip_in_training.export.samples import write_samples
from clip_in_training.export.weights import ExportError, round_weights, save_weights
from clip_in_training.model.bundle import load_bundle
from clip_in_training.model.dual_encoder import DualEncoder, parameter_count
from clip_in_training.recipe import LossRecipe, Recipe
from clip_in_training.scenes.attributes import ATTRIBUTES
from clip_in_training.tokenizer.encode import load_tokenizer
from clip_in_training.train import checkpoint
from clip_in_training.train.run import STAGE_B, TOKENIZER

SAMPLE_SEED = 20_000
"""Seeds of golden and sample scenes; the data's seed is far below, and streams differ besides."""
PARITY_ROWS = 72


def export_bundle(recipe: Recipe, recipe_name: str, recipe_text: str, run: Path, out: Path) -> dict:
    """Exports the stage B checkpoint of a run folder to `out`, replacing a bundle that is there.

    Returns the benchmarks. Raises `ExportError` if the training is unfinished, or if the graphs disagree with
    PyTorch; `out` is untouched then.
    """
    state = checkpoint.load(run / f"{STAGE_B}.pt")
    if state["step"] < state["steps"]:
        raise ExportError(
            f"the training in {run} stopped at step {state['step']} of {state['steps']}; run `train --resume`"
        )
    with whole_or_not_at_all(out) as folder:
        return _write(recipe, recipe_name, recipe_text, run, state, folder)


def _write(recipe: Recipe, recipe_name: str, recipe_text: str, run: Path, state: dict, folder: Path) -> dict:
    """Fills the folder step by step; each step needs the ones before it."""
    root = Path(recipe.data.directory)
    tokenize = load_tokenizer(run / TOKENIZER, recipe.text_tower.context_length)
    model = DualEncoder(recipe, tokenize.vocabulary_size)
    model.load_state_dict(round_weights(state["modules"]["model"]))
    model.eval()
    save_weights(model.state_dict(), folder / "model.safetensors")
    shutil.copyfile(run / TOKENIZER, folder / "tokenizer.json")
    export_graphs(model, folder)

    source = provenance(recipe_name, recipe_text, fingerprint(root), state["clock"])
    content = manifest(recipe, model.image_tower.grid, model.scale().item(), source)
    write_json(folder / "bundle.json", content)
    # From here on the reference is what a user of the bundle gets: the stored weights, loaded again.
    reference, preprocess, tokenize = load_bundle(folder)
    graphs = Graphs(folder / "image.onnx", folder / "text.onnx", tokenize)
    edits = load_edits(root / "test", recipe.data.image_size, ATTRIBUTES)
    pixels = np.ascontiguousarray(edits.pixels[:PARITY_ROWS, 0])
    texts = [
        text for row in edits.short[: PARITY_ROWS // 2] + edits.long[: PARITY_ROWS // 2] for text in row
    ][:PARITY_ROWS]
    texts = [*texts, *TEXTS]
    parity = measure_parity(checks(reference, tokenize, pixels, texts), graphs)
    benchmarks = benchmark(graphs, recipe)

    write_golden(reference, preprocess, tokenize, folder, SAMPLE_SEED)
    write_samples(folder, SAMPLE_SEED)
    content["provenance"]["benchmarks"] = benchmarks
    content["variants"] = [
        {
            "precision": "fp32",
            "image": "image.onnx",
            "text": "text.onnx",
            "parity": parity,
            "benchmark_delta": 0.0,
            "golden_tolerance": GOLDEN_TOLERANCE,
        }
    ]
    sizes = {
        p.name: p.stat().st_size for p in sorted(folder.iterdir()) if p.is_file() and p.name != "bundle.json"
    }
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
            "edits": recipe.data.train_pairs_per_category * 9,
            "fingerprint": source["data_fingerprint"][:16],
            "seed": recipe.seed,
            "steps_a": recipe.stage_a.steps,
            "steps_b": recipe.stage_b.steps,
            "batch_pairs": recipe.stage_b.pairs,
            "losses": _describe(recipe.stage_b.losses),
            "wall": source["training_seconds"] / 60,
            "cpu": source["training_cpu_seconds"] / 60,
            "precision": recipe.precision,
            "parity": parity,
            "parity_images": len(pixels),
            "parity_texts": len(texts),
            "files": sizes,
            "benchmarks": benchmarks,
        },
    )
    content["files"] = checksums(folder)
    write_json(folder / "bundle.json", content)
    return benchmarks


def _describe(losses: LossRecipe) -> str:
    """The weighted terms in words."""
    names = {
        "clip_short": "L_short",
        "clip_long": "L_long",
        "hard_negative_short": f"L_HN ({losses.hard_negative}) on short captions",
        "hard_negative_long": f"L_HN ({losses.hard_negative}) on long captions",
        "attributes": "attribute loss",
        "patches": "patch loss",
    }
    terms = [f"{getattr(losses, key):g} x {name}" for key, name in names.items() if getattr(losses, key) > 0]
    return " + ".join(terms)
