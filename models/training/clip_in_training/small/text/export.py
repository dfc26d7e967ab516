"""From a run of stage 1 to a text tower: `python -m clip_in_training.small.text.export --run RUN --out FOLDER`.

The folder gets the weights (matrices in fp16) and the tokenizer, which the small model starts from, and the graphs
text.onnx and text.int8.onnx to measure.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from clip_in_training.common.errors import BackboneError, CheckpointError, DataError, ExportError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.export.towers import export_text_tower
from clip_in_training.export.variants.int8 import to_int8
from clip_in_training.export.weights import round_weights
from clip_in_training.finetune.backbone.text_backbone import TextBackbone
from clip_in_training.finetune.stages.run import load_tuned
from clip_in_training.small.text.corpus import texts
from clip_in_training.small.text.folder import save_tower

GRAPH, INT8 = "text.onnx", "text.int8.onnx"
CALIBRATED, CALIBRATION_SEED = 200, 3


def export(backbone: TextBackbone, out: Path) -> None:
    """Writes tower and graphs of a backbone; its weights are rounded to what the folder stores."""
    backbone.encoder.load_state_dict(round_weights(backbone.encoder.state_dict()))
    save_tower(backbone.encoder, backbone.text_rules.tokenizer, out)
    export_text_tower(backbone, out)
    with tempfile.TemporaryDirectory() as work:
        to_int8(out / GRAPH, out / INT8, Path(work), _calibration(backbone))


def _calibration(backbone: TextBackbone) -> Iterator[np.ndarray]:
    """One text at a time, as padding would be part of the calibration otherwise."""
    for text in texts(CALIBRATED, CALIBRATION_SEED):
        yield backbone.text_rules([text]).numpy()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m clip_in_training.small.text.export", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the run folder of `distil`")
    parser.add_argument("--out", type=Path, required=True, help="the tower's folder")
    options = parser.parse_args()
    try:
        backbone = load_tuned(options.run)
        if not isinstance(backbone, TextBackbone):
            raise ExportError(f"{options.run} is no run of a text tower alone: use `clip-in-training export`")
        with torch.inference_mode():
            export(backbone, options.out)
    except (BackboneError, CheckpointError, DataError, ExportError, RecipeError, OSError) as error:
        sys.exit(f"error: {error}")
    for path in sorted(options.out.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path}")


if __name__ == "__main__":
    main()
