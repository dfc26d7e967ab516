"""The command `statements`: its options, and what it does."""

import argparse
from pathlib import Path
from typing import Any

from clip_in_training.common.arguments import count

HELP = "Fit the weights that `/v1/compare` ranks statements with, and write them into a bundle."
PARTS = 150


def statements_arguments(commands: Any) -> None:
    """Adds `statements` and its options; `commands` is what `add_subparsers` returned."""
    statements = commands.add_parser("statements", help=HELP, description=HELP)
    statements.add_argument("--bundle", type=Path, required=True, help="the bundle's directory")
    statements.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        help="folders of changes-*.parquet, as `changes` writes them (default: drawn parts)",
    )
    statements.add_argument(
        "--count", type=count, default=PARTS, help=f"drawn parts of each kind (default: {PARTS})"
    )
    statements.add_argument(
        "--language",
        choices=["narrow", "wide"],
        nargs="+",
        default=["narrow", "wide"],
        help="of the drawn parts' statements (default: both)",
    )
    statements.add_argument(
        "--threads", type=int, default=0, help="threads that embed pictures and texts (default: all cores)"
    )


def run_statements(options: argparse.Namespace) -> None:
    """Writes the weights, replacing those that are there."""
    # What computes is imported when it is needed: `--help` does not need PyTorch.
    from clip_in_training.statements.add import add_statements

    made = add_statements(options.bundle, options.data, options.count, options.language, options.threads)
    print(
        f"{options.bundle}: weights of {made['questions']} questions ({made['source']}); "
        f"{made['top_1']:.1f} % of them have the true statement first"
    )
