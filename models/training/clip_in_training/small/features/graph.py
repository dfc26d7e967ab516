"""The graph of features: the frozen tower up to the deepest map that is needed."""

from pathlib import Path

import torch
from torch import Tensor, nn

from clip_in_training.export.graph import export_graph, fold_batch_norm
from clip_in_training.small.lite0 import CHANNELS, Lite0, normalised

INPUT = "pixels"
STRIDES = (4, 8, 16)
"""The maps of a bundle."""


class FeatureGraph(nn.Module):
    """`pixels` uint8 NHWC to one map per stride, `stride4`, `stride8`, …: float32 NCHW.

    Rows and columns of the pixels must be multiples of the largest stride: the graph keeps the padding of such sizes.
    Borders are padded by reflection, although the tower was trained with zeros. With zeros, patches beside a border
    differ from all others, and an inspection takes every border for a defect.
    """

    def __init__(self, tower: Lite0, strides: tuple[int, ...] = STRIDES, borders: str = "reflect"):
        super().__init__()
        if not strides or any(stride not in CHANNELS for stride in strides):
            raise ValueError(f"strides must be some of {', '.join(map(str, CHANNELS))}")
        self.strides = tuple(sorted(strides))
        self.tower = fold_batch_norm(tower).set_borders(borders).cut(self.strides[-1])

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """[batch, rows, columns, 3] to maps [batch, channels, rows / stride, columns / stride], finest first."""
        maps = self.tower.maps(normalised(pixels), self.strides[-1])
        return tuple(maps[stride] for stride in self.strides)

    def outputs(self) -> list[dict]:
        """The outputs as the manifest describes them.

        `offset` is the pixel on which the first value of a row or column is centred; the next one is `stride`
        further on.
        """
        return [
            {"name": f"stride{stride}", "stride": stride, "channels": CHANNELS[stride], "offset": stride - 1}
            for stride in self.strides
        ]


def export_features(graph: FeatureGraph, path: Path) -> None:
    """Writes the graph. Batch, rows and columns are free."""
    deepest = graph.strides[-1]
    pixels = torch.zeros(2, 4 * deepest, 6 * deepest, 3, dtype=torch.uint8)
    names = [output["name"] for output in graph.outputs()]
    free = {0: "batch", 1: "height", 2: "width"}
    axes = {}
    for stride, name in zip(graph.strides, names, strict=True):
        axes[name] = {0: "batch", 2: f"rows{stride}", 3: f"columns{stride}"}
    export_graph(graph.eval(), pixels, path, INPUT, free, names, axes)
