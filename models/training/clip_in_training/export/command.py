"""`export`: selects one of the three kinds of bundles."""

import argparse
from pathlib import Path

from clip_in_training.common.errors import ExportError
from clip_in_training.common.recipe import read_recipe
from clip_in_training.export.bundle import export_bundle
from clip_in_training.export.evaluate.benchmark import pairs_table, retrieval_rows
from clip_in_training.export.pretrained import export_pretrained
from clip_in_training.export.source import api_name, parse_source
from clip_in_training.export.tuned import Which, export_run
from clip_in_training.finetune.recipe import is_tuning_recipe
from clip_in_training.scratch.recipe import load_recipe


def export(options: argparse.Namespace) -> str:
    """Writes `options.out` and returns the measurements as text."""
    if options.name is not None and options.name != api_name(options.name):
        raise ExportError(f"--name {options.name!r} must be 1 to 128 characters of a-z 0-9 . _ -")
    if options.source is not None:
        for option, value in (("--run", options.run), *_of_runs(options)):
            if value is not None:
                raise ExportError(f"{option} belongs to --recipe; --from exports a checkpoint as it is")
        source = parse_source(options.source)
        manifest = export_pretrained(
            source, options.out, options.precisions or (), options.calibrate, options.name
        )
        return parity_lines(manifest)
    path = options.recipe_file
    # A run folder stores its recipe, with the changes of an ablation.
    run = options.run or (path.parent if path.name == "recipe.toml" else Path("runs") / path.stem)
    if is_tuning_recipe(read_recipe(path), str(path)):
        which = Which(options.checkpoint or "finetune.pt", options.towards, options.start)
        return parity_lines(
            export_run(
                path, run, options.out, options.precisions or (), options.calibrate, options.name, which
            )
        )
    for option, value in (("--calibrate", options.calibrate), ("--name", options.name), *_of_runs(options)):
        if value is not None:
            raise ExportError(
                f"{path} has no [backbone]: {option} is not for recipes that draw their own data"
            )
    recipe, text = load_recipe(path)
    benchmarks = export_bundle(recipe, path.name, text, run, options.out, options.precisions)
    pairs = pairs_table({"fp32": benchmarks["pairs"]}, "graph")
    return pairs + "\n\n" + retrieval_rows({"fp32": benchmarks["retrieval"]}, "graph")


def _of_runs(options: argparse.Namespace) -> list[tuple[str, object]]:
    """Options for fine-tuning runs only."""
    return [(f"--{name}", getattr(options, name)) for name in ("checkpoint", "towards", "start")]


def parity_lines(manifest: dict) -> str:
    """One line for each precision and tower."""
    return "\n".join(
        f"{variant['precision']} {tower}: largest 1 - cosine to PyTorch {measured['worst']:.1e}"
        for variant in manifest["variants"]
        for tower, measured in variant["parity"].items()
    )
