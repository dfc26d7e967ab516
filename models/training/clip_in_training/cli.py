"""The command line: one subcommand per step."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from clip_in_training.adapt.command import adapt_arguments, run_adapt, run_replay
from clip_in_training.common.arguments import count
from clip_in_training.common.errors import (
    BackboneError,
    CheckpointError,
    DataError,
    ExportError,
    TrainingError,
)
from clip_in_training.common.recipe import RecipeError, read_recipe
from clip_in_training.export.arguments import export_arguments, names
from clip_in_training.finetune.recipe import TuningRecipe, is_tuning_recipe, parse_tuning_recipe
from clip_in_training.scratch.changes_command import changes_arguments, draw_changes
from clip_in_training.scratch.recipe import Recipe, load_recipe
from clip_in_training.statements.command import run_statements, statements_arguments

TUNES = ("distil", "finetune", "ablation")
"""Commands for recipes with a [backbone] only."""
STAGES_HELP = {
    "distil": "Stage 1 of fine-tuning: a text encoder with rotary positions learns the original's vectors.",
    "finetune": "Stage 2: fine-tune a backbone with CLIP-IN's losses (several processes: under torchrun).",
}
VARIANTS_HELP = "Add other precisions to a bundle, each with its loss and speed measured."
FEATURES_HELP = "Add features.onnx to a bundle: maps of a frozen pre-trained tower, for inspection."
PRECISIONS_HELP = "in addition to fp32: int8, fp16, bf16, separated by commas (default: int8"
CARD_HELP = (
    "Measure a bundle of the drawn scenes on scenes drawn afresh, five seeds, and print its card's tables."
)
GOALS_HELP = (
    "Measure a bundle on drawn scenes, five seeds, and print the shipped model's goals and what is held."
)
REFERENCE_HELP = "Write an open_clip architecture with random weights as a bundle, to measure speed with."
KNOWN_ERRORS = (
    RecipeError,
    BackboneError,
    DataError,
    ExportError,
    CheckpointError,
    TrainingError,
    OSError,
)


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    root = argparse.ArgumentParser(
        prog="python -m clip_in_training",
        description="Trains a dual encoder with the CLIP-IN losses; exports bundles for `clip-in serve`.",
        epilog="A whole run: generate, then train, then export; all read the same recipe.",
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.add_argument(
            "--recipe", type=Path, required=True, help="the recipe, e.g. models/recipes/demo.toml"
        )
        return sub

    generate = command("generate", "Draw the recipe's scenes and edits (train, validation, test) as Parquet.")
    generate.add_argument(
        "--force", action="store_true", help="draw again even if the data of this recipe exists"
    )

    changes_arguments(commands)

    train = command("train", "Run stage A and stage B into a run folder.")
    train.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file name>)")
    train.add_argument(
        "--resume", action="store_true", help="continue from the last checkpoint of the run folder"
    )
    train.add_argument(
        "--start",
        type=Path,
        help="use this stage_a.pt, or the image tower of this bundle, instead of training stage A",
    )
    train.add_argument(
        "--continue-from",
        type=Path,
        metavar="BUNDLE",
        help="go on training both towers of this bundle, with its tokenizer, instead of training from nothing",
    )

    for name, help_text in STAGES_HELP.items():
        stage = command(name, help_text)
        stage.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file name>)")
        stage.add_argument("--resume", action="store_true", help="continue from the stage's last checkpoint")
        if name == "finetune":
            stage.add_argument("--start", type=Path, help="use this distil.pt instead of the run folder's")
        stage.add_argument("--variant", help="apply the changes of the [ablation] variant with this name")
        stage.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. finetune.losses.clip_long=0"
        )

    export_arguments(commands)

    evaluate = command("evaluate", "Measure a bundle's graphs on a generated split.")
    evaluate.add_argument("--bundle", type=Path, required=True, help="the bundle's directory")
    evaluate.add_argument("--split", default="test", choices=["test", "validation"], help="which scenes")
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of tables")

    card = commands.add_parser("card", help=CARD_HELP, description=CARD_HELP)
    card.add_argument("--bundle", type=Path, required=True, help="the bundle's directory")
    card.add_argument("--pairs", type=count, default=150, help="edits a category and seed (default: 150)")
    card.add_argument("--scenes", type=count, default=100, help="single scenes a seed (default: 100)")
    card.add_argument(
        "--write", action="store_true", help="also put the tables into the bundle's model-card.md"
    )

    goals = commands.add_parser("goals", help=GOALS_HELP, description=GOALS_HELP)
    goals.add_argument("--bundle", type=Path, required=True, help="the bundle's directory")
    goals.add_argument("--beside", type=Path, nargs="*", default=[], help="bundles for a column each")
    goals.add_argument("--pairs", type=count, default=30, help="edits of each kind and seed (default: 30)")
    goals.add_argument("--scenes", type=count, default=100, help="single scenes a seed (default: 100)")
    goals.add_argument("--goals-only", action="store_true", help="measure nothing: the goals without values")
    goals.add_argument(
        "--out",
        type=Path,
        help="also write the page to this Markdown file; what is written by hand at its end stays",
    )

    ablation = command(
        "ablation", "Fine-tune every variant of [ablation] with several seeds and compare them."
    )
    ablation.add_argument("--run", type=Path, help="folder of all runs (default: runs/<recipe file name>)")
    ablation.add_argument("--seeds", type=_numbers, default=[1, 2, 3], help="separated by commas (1,2,3)")
    ablation.add_argument(
        "--jobs", type=int, default=2, help="number of concurrent runs, which share the cores (default: 2)"
    )
    ablation.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="for every run, e.g. finetune.steps=2000",
    )
    ablation.add_argument("--out", type=Path, help="also write the tables to this Markdown file")
    variants = commands.add_parser("variants", help=VARIANTS_HELP, description=VARIANTS_HELP)
    variants.add_argument("--bundle", type=Path, required=True, help="the bundle's directory")
    variants.add_argument("--precisions", type=names, default=["int8"], help=f"{PRECISIONS_HELP})")

    features = commands.add_parser("features", help=FEATURES_HELP, description=FEATURES_HELP)
    features.add_argument("--bundle", type=Path, required=True, help="the bundle's directory")
    features.add_argument(
        "--size", type=count, default=448, help="default height and width of the input (default: 448)"
    )
    features.add_argument(
        "--strides",
        type=_numbers,
        default=[4, 8, 16],
        help="some of 4, 8, 16, 32, separated by commas (4,8,16)",
    )

    reference = commands.add_parser("reference", help=REFERENCE_HELP, description=REFERENCE_HELP)
    reference.add_argument("--architecture", default="ViT-B-32", help="open_clip's name (default: ViT-B-32)")
    reference.add_argument("--seed", type=int, default=1, help="seed of the weights (default: 1)")
    reference.add_argument("--out", type=Path, required=True, help="the bundle's directory")

    adapt_arguments(commands)
    statements_arguments(commands)
    return root


def _numbers(text: str) -> list[int]:
    return [int(name) for name in names(text)]


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 on success, 1 on an error that the user can correct (printed as one line)."""
    options = parser().parse_args(arguments)
    try:
        if "recipe" in options:
            COMMANDS[options.command](options, *_load(options))
        else:
            COMMANDS[options.command](options)
    except KNOWN_ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; `--resume` continues from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _load(options: argparse.Namespace) -> tuple:
    """The recipe and its text: one with a [backbone] is for fine-tuning, others train from scratch."""
    text = read_recipe(options.recipe)
    tuned = options.command in TUNES
    if not is_tuning_recipe(text, str(options.recipe)):
        if tuned:
            raise RecipeError(f"{options.recipe} has no [backbone] to fine-tune; `train` trains from scratch")
        return load_recipe(options.recipe)
    if not tuned:
        raise RecipeError(f"{options.recipe} fine-tunes a [backbone]: see `distil` and `finetune`")
    return parse_tuning_recipe(text, str(options.recipe)), text


# Each command imports what it needs when it runs: PyTorch takes seconds to load, and `--help` does not need it.


def _generate(options: argparse.Namespace, recipe: Recipe, text: str) -> None:
    from clip_in_training.scratch.data.generation import generate

    generate(recipe, options.force)


def _train(options: argparse.Namespace, recipe: Recipe, text: str) -> None:
    from clip_in_training.scratch.train.run import train

    run = options.run or Path("runs") / options.recipe.stem
    train(recipe, text, run, options.resume, options.start, continued=options.continue_from)
    print(
        f"trained; now: python -m clip_in_training export --recipe {options.recipe} --run {run} --out BUNDLE"
    )


def _stage(options: argparse.Namespace, recipe: TuningRecipe, text: str) -> None:
    from clip_in_training.finetune.variant import changed, settings, to_toml, variant

    origin, stem = str(options.recipe), options.recipe.stem
    run = options.run or Path("runs") / (f"{stem}-{options.variant}" if options.variant else stem)
    if options.variant:
        recipe = variant(recipe, options.variant, origin)
    if options.set:
        recipe = changed(recipe, settings(options.set), origin)
    if options.variant or options.set:
        text = to_toml(recipe)
    from clip_in_training.common.processes import stop

    try:
        if options.command == "distil":
            from clip_in_training.finetune.stages.distil import distil

            distil(recipe, text, run, options.resume)
        else:
            from clip_in_training.finetune.stages.finetune import finetune

            finetune(recipe, text, run, options.resume, options.start)
    finally:
        stop()
    print(f"{options.command} done; {run / 'report.html'} shows it")


def _export(options: argparse.Namespace) -> None:
    from clip_in_training.export.command import export

    report = export(options)
    print(f"{report}\n\nbundle written to {options.out}")


def _evaluate(options: argparse.Namespace, recipe: Recipe, text: str) -> None:
    from clip_in_training.export.evaluate.benchmark import benchmark
    from clip_in_training.export.evaluate.graphs import Graphs
    from clip_in_training.scratch.tokenizer.encode import load_tokenizer

    bundle = options.bundle
    tokenize = load_tokenizer(bundle / "tokenizer.json", recipe.text_tower.context_length)
    benchmarks = benchmark(
        Graphs(bundle / "image.onnx", bundle / "text.onnx", tokenize), recipe, options.split
    )
    print(json.dumps(benchmarks, indent=1) if options.json else _report(benchmarks))


def _card(options: argparse.Namespace) -> None:
    from clip_in_training.export.evaluate.drawn.card import measured_section, put_into_card

    tables = measured_section(options.bundle, options.pairs, options.scenes)
    print(f"\n{tables}")
    if options.write:
        put_into_card(options.bundle, tables)


def _goals(options: argparse.Namespace) -> None:
    from clip_in_training.export.evaluate.drawn.card import SEEDS
    from clip_in_training.export.evaluate.goals.page import goals_only, page, write_page

    text = (
        goals_only()
        if options.goals_only
        else page([options.bundle, *options.beside], SEEDS, options.pairs, options.scenes)
    )
    print(f"\n{text}")
    if options.out:
        write_page(options.out, text)


def _ablation(options: argparse.Namespace, recipe: TuningRecipe, text: str) -> None:
    from clip_in_training.common.whole_file import replace_text
    from clip_in_training.finetune.ablation.measure import measure_backbone
    from clip_in_training.finetune.ablation.runs import run_all
    from clip_in_training.finetune.ablation.table import tables
    from clip_in_training.finetune.backbone.load import load_original
    from clip_in_training.finetune.variant import changed, settings

    run = options.run or Path("runs") / options.recipe.stem
    results = run_all(options.recipe, recipe, run, options.seeds, options.jobs, options.set)
    test = Path(recipe.sources[0].path).parent / "test"
    start = measure_backbone(load_original(recipe.backbone, recipe.seed), test)
    steps = changed(recipe, settings(options.set), str(options.recipe)).finetune.steps
    report = tables(start, results, options.seeds, steps)
    print(f"\n{report}")
    if options.out:
        replace_text(options.out, report + "\n")


def _variants(options: argparse.Namespace) -> None:
    from clip_in_training.export.precision_table import section
    from clip_in_training.export.variants.add import add_variants
    from clip_in_training.scratch.model.bundle import read_manifest

    add_variants(options.bundle, options.precisions)
    print(section(read_manifest(options.bundle), options.bundle))


def _features(options: argparse.Namespace) -> None:
    from clip_in_training.small.features.add import add_features, section

    manifest = add_features(options.bundle, options.size, tuple(options.strides))
    print(section(manifest["features"]))


def _reference(options: argparse.Namespace) -> None:
    from clip_in_training.export.reference.bundle import write_reference

    manifest = write_reference(options.architecture, options.seed, options.out)
    for tower, measured in manifest["variants"][0]["parity"].items():
        print(f"{tower}.onnx: largest 1 - cosine to open_clip {measured['worst']:.1e}")
    print(f"bundle of random weights written to {options.out}")


def _report(benchmarks: dict) -> str:
    from clip_in_training.export.evaluate.benchmark import pairs_table, retrieval_rows

    pairs = pairs_table({"fp32": benchmarks["pairs"]}, "graph")
    return pairs + "\n\n" + retrieval_rows({"fp32": benchmarks["retrieval"]}, "graph")


COMMANDS: dict[str, Callable[..., None]] = {
    "generate": _generate,
    "changes": draw_changes,
    "train": _train,
    "distil": _stage,
    "finetune": _stage,
    "export": _export,
    "evaluate": _evaluate,
    "ablation": _ablation,
    "card": _card,
    "goals": _goals,
    "reference": _reference,
    "variants": _variants,
    "features": _features,
    "adapt": run_adapt,
    "replay": run_replay,
    "statements": run_statements,
}
