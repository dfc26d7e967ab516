"""The frozen image tower in ONNX Runtime: on a processor it takes a third of the time that PyTorch takes."""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from clip_in_training.export.graph import export_graph, fold_batch_norm
from clip_in_training.small.data.store import MAPS
from clip_in_training.small.lite0 import Lite0
from clip_in_training.small.model.image_tower import frozen_maps

OUTPUTS = (*MAPS, "logits")


class FrozenGraph(nn.Module):
    """`pixels` uint8 NHWC to the maps and the logits."""

    def __init__(self, lite0: Lite0):
        super().__init__()
        self.lite0 = lite0

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """[batch, size, size, 3] to `OUTPUTS`."""
        maps = frozen_maps(self.lite0, pixels)
        return (*maps, self.lite0.classifier(maps.pooled))


class FrozenTower:
    """Lite0 as a session."""

    def __init__(self, lite0: Lite0, size: int, threads: int = 0):
        example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frozen.onnx"
            export_graph(
                FrozenGraph(fold_batch_norm(lite0)).eval(),
                example,
                path,
                "pixels",
                {0: "batch"},
                list(OUTPUTS),
            )
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )

    def __call__(self, pixels: np.ndarray, batch: int = 8) -> dict[str, np.ndarray]:
        """uint8 [pictures, size, size, 3] to fp16 arrays by the names of `OUTPUTS`."""
        parts = [
            self.session.run(list(OUTPUTS), {"pixels": pixels[start : start + batch]})
            for start in range(0, len(pixels), batch)
        ]
        return {
            name: np.concatenate([part[place] for part in parts]).astype(np.float16)
            for place, name in enumerate(OUTPUTS)
        }
