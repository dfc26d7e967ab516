"""The command that draws parts beside their golden sample: its options, and what it does."""

import argparse
from pathlib import Path
from typing import Any

from clip_in_training.common.arguments import count

HELP = (
    "Draw parts beside their golden sample, with statements about the change, as Parquet for `eval changes`."
)


def changes_arguments(commands: Any) -> None:
    """Adds `changes` and its options; `commands` is what `add_subparsers` returned."""
    changes = commands.add_parser("changes", help=HELP, description=HELP)
    changes.add_argument("--out", type=Path, required=True, help="the folder")
    changes.add_argument("--count", type=count, default=300, help="number of parts (default: 300)")
    changes.add_argument("--seed", type=int, default=1, help="seed of the scenes (default: 1)")
    changes.add_argument(
        "--size", type=count, default=128, help="height and width of the pictures in pixels (default: 128)"
    )
    changes.add_argument(
        "--statements",
        choices=["nine", "all"],
        default="nine",
        help="one statement a category, or all single changes of the scene (default: nine)",
    )
    changes.add_argument(
        "--rejittered", action="store_true", help="lay each part down anew, with other light and noise"
    )
    changes.add_argument(
        "--language", choices=["narrow", "wide"], default="narrow", help="of the captions (default: narrow)"
    )


def draw_changes(options: argparse.Namespace) -> None:
    """Writes the folder."""
    # What draws is imported when it is needed: `--help` does not need it.
    from clip_in_training.scratch.data.changes import write_changes
    from clip_in_training.scratch.scenes.setting import Setting

    write_changes(
        options.out,
        options.count,
        options.seed,
        options.size,
        options.statements,
        options.rejittered,
        Setting(language=options.language),
    )
