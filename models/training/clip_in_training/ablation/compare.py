"""Trains and measures the variants of a recipe."""

import tempfile
from pathlib import Path

import torch

from clip_in_training.evaluate.benchmark import benchmark, pairs_table, retrieval_rows
from clip_in_training.evaluate.graphs import Graphs
from clip_in_training.export.graph import export_graphs
from clip_in_training.recipe import Recipe, RecipeError, variant_of
from clip_in_training.train import checkpoint
from clip_in_training.train.run import prepare, run_stage_a, run_stage_b, take_stage_a


def compare(recipe: Recipe, recipe_text: str, run: Path, start: Path | None, resume: bool) -> str:
    """Runs every variant of [ablation.variants] and returns the tables as Markdown.

    `start` is a stage A checkpoint; without it, stage A is trained once. Every variant begins with the same
    image tower, the same text tower and the same order of the data (all by the recipe's seed), and takes
    `ablation.steps` steps with the same number of images and captions in each.
    """
    if not recipe.ablation.variants:
        raise RecipeError("the recipe has no [ablation.variants]: nothing to compare")
    if start is None:
        start = run / "start" / "stage_a.pt"
        run_stage_a(prepare(recipe, recipe_text, run / "start", resume), resume)
    results = {}
    for name, keys in recipe.ablation.variants.items():
        variant = variant_of(recipe, name, keys)
        work = prepare(variant, recipe_text, run / name.replace(" ", "-"), resume)
        take_stage_a(work, start)
        before = work.clock.cpu()
        run_stage_b(work, resume)
        results[name] = measure(work, variant) | {"cpu_minutes": (work.clock.cpu() - before) / 60}
        print(tables({name: results[name]}), flush=True)
    return tables(results)


def measure(work, recipe: Recipe) -> dict:
    """Benchmarks of a trained model on its exported graphs."""
    state = checkpoint.load(work.run / "stage_b.pt")
    work.model.load_state_dict(state["modules"]["model"])
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        export_graphs(work.model, Path(folder))
        graphs = Graphs(Path(folder) / "image.onnx", Path(folder) / "text.onnx", work.tokenize)
        return benchmark(graphs, recipe)


def tables(results: dict[str, dict]) -> str:
    """Both tables of some variants."""
    pairs = pairs_table({name: r["pairs"] for name, r in results.items()}, "losses")
    return pairs + "\n\n" + retrieval_rows({name: r["retrieval"] for name, r in results.items()}, "losses")
