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
    """Runs every variant of [ablation.variants] and returns a report in Markdown.

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
    return f"{conditions(recipe, start)}\n\n{tables(results)}\n\n{losses_table(recipe, results)}"


def conditions(recipe: Recipe, start: Path) -> str:
    """What every variant got, in words."""
    pairs, steps = recipe.stage_b.pairs, recipe.ablation.steps
    return (
        f"Recipe `{recipe.name}`, seed {recipe.seed}. Every variant starts from the image tower of "
        f"{start} and one untrained text tower, takes {steps} steps with one "
        f"schedule, and sees {2 * pairs} images with a short and a long caption each in every step. In "
        "paired batches both sides of an edit are in the same batch; in shuffled ones they meet by chance. "
        "Measured on the exported graphs, on held-out scenes, with one seed: a difference of a point or two "
        "is noise."
    )


def losses_table(recipe: Recipe, results: dict[str, dict]) -> str:
    """Weights of the terms and processor time of each variant."""
    lines = ["| losses | terms (weight) | batches | core-minutes |", "|---|---|---|---|"]
    for name, keys in recipe.ablation.variants.items():
        terms = ", ".join(
            f"{k} {v:g}" for k, v in keys.items() if isinstance(v, float | int) and not isinstance(v, bool)
        )
        batches = "paired" if keys.get("keep_pairs_together", True) else "shuffled"
        lines.append(f"| {name} | {terms} | {batches} | {results[name]['cpu_minutes']:.1f} |")
    return "\n".join(lines)


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
