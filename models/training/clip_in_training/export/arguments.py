"""The command-line options of `export`; imports nothing heavy, so that `--help` is quick."""

import argparse
from pathlib import Path

EXPORT_HELP = (
    "Write a bundle from a finished run or a public checkpoint; fail if its graphs disagree with PyTorch."
)
FROM_HELP = (
    "a checkpoint to export unchanged: open_clip:NAME/TAG, open_clip:NAME/path/to/checkpoint.pt, "
    "open_clip:hf-hub:ORG/NAME or open_clip:local-dir:PATH"
)
PRECISIONS_HELP = (
    "beside fp32: int8, fp16, bf16, separated by commas (default: none; of a recipe without a [backbone]: "
    "int8 if it is any good)"
)
CHECKPOINT_HELP = "for a fine-tuning run: finetune.best.pt or finetune.step-000500.pt instead of finetune.pt"
TOWARDS_HELP = (
    "for a fine-tuning run: interpolate between the start's weights (0) and the trained ones (1) (WiSE-FT, arXiv "
    "2109.01903): smaller values forget less"
)
CALIBRATE_HELP = (
    "compare, and calibrate int8, on the images below this folder and the lines of its .txt files instead of "
    "drawn scenes"
)


def export_arguments(commands: argparse._SubParsersAction) -> None:
    """Adds the command. Its option is not called `recipe`, because there may be several kinds of recipe or none."""
    export = commands.add_parser("export", help=EXPORT_HELP, description=EXPORT_HELP)
    what = export.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--recipe", dest="recipe_file", type=Path, help="the recipe of the run, e.g. models/recipes/demo.toml"
    )
    what.add_argument("--from", dest="source", metavar="CHECKPOINT", help=FROM_HELP)
    export.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file name>)")
    export.add_argument("--checkpoint", metavar="NAME", help=CHECKPOINT_HELP)
    export.add_argument("--towards", type=float, metavar="SHARE", help=TOWARDS_HELP)
    export.add_argument(
        "--start", type=Path, help="for --towards: the distil.pt of another run that it began with"
    )
    export.add_argument("--out", type=Path, required=True, help="the bundle's directory, e.g. models/demo")
    export.add_argument("--precisions", type=names, help=PRECISIONS_HELP)
    export.add_argument("--calibrate", type=Path, metavar="FOLDER", help=CALIBRATE_HELP)
    export.add_argument("--name", help="the model's name in the API (default: by recipe or checkpoint)")


def names(text: str) -> list[str]:
    """Splits a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]
