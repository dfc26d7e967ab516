"""The commands `adapt` and `replay`: their options, and what they do."""

import argparse
from pathlib import Path
from typing import Any

from clip_in_training.common.arguments import count

ADAPT_HELP = (
    "Adapt a bundle to edit pairs, tens to thousands: what `clip-in line export` writes of corrections."
)
REPLAY_HELP = "Add replay.safetensors to a bundle: vectors of what an adaptation must not forget."
EDITS = 1000


def adapt_arguments(commands: Any) -> None:
    """Adds both commands; `commands` is what `add_subparsers` returned."""
    adapt = commands.add_parser("adapt", help=ADAPT_HELP, description=ADAPT_HELP)
    adapt.add_argument(
        "--pairs", type=Path, required=True, help="folder with train, validation and test.parquet"
    )
    adapt.add_argument("--from", dest="bundle", type=Path, required=True, help="the bundle to adapt")
    adapt.add_argument("--out", type=Path, required=True, help="the new bundle's directory")
    adapt.add_argument("--name", help="the new model's name (default: the old one's)")
    adapt.add_argument(
        "--keep",
        type=_points,
        default=0.5,
        help="points that the protected edits may fall, over all adaptations (default: 0.5)",
    )
    adapt.add_argument(
        "--replay",
        help="folder of edits to replay in place of the bundle's own, or `none` (default: the bundle's own)",
    )
    adapt.add_argument(
        "--way",
        choices=["adapters", "lora"],
        default="adapters",
        help="a product behind each tower, in seconds; or fine-tuning in OUT.run (default: adapters)",
    )
    adapt.add_argument("--steps", type=count, default=200, help="of --way lora (default: 200)")
    adapt.add_argument("--seed", type=int, default=1, help="seed of the training (default: 1)")
    adapt.add_argument(
        "--threads", type=int, default=0, help="threads that embed pictures and texts (default: all cores)"
    )
    adapt.add_argument("--json", type=Path, help="also write what is printed to this JSON file")
    adapt.add_argument("--force", action="store_true", help="replace --out, whatever is there")

    replay = commands.add_parser("replay", help=REPLAY_HELP, description=REPLAY_HELP)
    replay.add_argument("--bundle", type=Path, required=True, help="the bundle's directory")
    replay.add_argument(
        "--edits", type=count, default=EDITS, help=f"drawn edits of two pictures (default: {EDITS})"
    )
    replay.add_argument(
        "--threads", type=int, default=0, help="threads that embed pictures and texts (default: all cores)"
    )


def _points(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = -1.0
    if not 0 <= points <= 100:
        raise argparse.ArgumentTypeError(f"must be a number of points from 0 to 100, not {text[:40]!r}")
    return points


# What computes is imported when it is needed: `--help` does not need PyTorch.


def run_adapt(options: argparse.Namespace) -> None:
    """Writes the adapted bundle, or says that it is there already."""
    from clip_in_training.adapt.adapters import AdapterSettings
    from clip_in_training.adapt.inputs import Inputs, check_name, made_before, open_bundle
    from clip_in_training.adapt.lora_recipe import LoraSettings
    from clip_in_training.adapt.pairs import PairFolder
    from clip_in_training.adapt.report import report
    from clip_in_training.adapt.run import adapt
    from clip_in_training.common.errors import ExportError
    from clip_in_training.export.files import write_json

    check_name(options.name)
    if options.out.resolve() == options.bundle.resolve():
        raise ExportError("--out is the bundle to adapt; give another folder")
    inputs = Inputs(
        pairs=PairFolder(options.pairs),
        bundle=options.bundle,
        manifest=open_bundle(options.bundle),
        out=options.out,
        replay=options.replay,
        keep=options.keep,
        seed=options.seed,
        name=options.name,
        threads=options.threads,
        way=options.way,
    )
    settings = AdapterSettings() if options.way == "adapters" else LoraSettings(steps=options.steps)
    entry = made_before(options.out, inputs.digest(settings), options.force)
    if entry is not None:
        print(report(entry))
        print(f"\n{options.out} was made from the same pairs, bundle and settings before: nothing to do")
    else:
        if isinstance(settings, AdapterSettings):
            entry = adapt(inputs, settings)
        else:
            from clip_in_training.adapt.lora import adapt_by_lora

            entry = adapt_by_lora(inputs, settings, options.force)
        print(f"bundle written to {options.out}")
    if options.json:
        write_json(options.json, entry)


def run_replay(options: argparse.Namespace) -> None:
    """Adds the file, replacing one that is there."""
    from clip_in_training.adapt.add_replay import add_replay

    record = add_replay(options.bundle, options.edits, options.threads)
    print(
        f"{options.bundle / record['file']}: {record['source']}, {record['right']:.1f} % of the protected are right"
    )
