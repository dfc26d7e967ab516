"""Padding in an exported graph."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.export.graph import export_graph
from clip_in_training.small.lite0 import Lite0, normalised


class Whole(nn.Module):
    """The tower's deepest map of uint8 pixels."""

    def __init__(self, tower: Lite0):
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        return self.tower.maps(normalised(pixels))[32]


class Padded(nn.Module):
    """Pads, and then a convolution."""

    def __init__(
        self, amounts: tuple[int, ...], mode: str = "constant", value: float = 0.0, twice: bool = False
    ):
        super().__init__()
        self.amounts, self.mode, self.value, self.twice = amounts, mode, value, twice
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        value = self.value if self.mode == "constant" else None
        padded = functional.pad(maps, self.amounts, mode=self.mode, value=value)
        found = self.convolution(padded)
        return found + padded.mean() if self.twice else found


def exported(module: nn.Module, example: Tensor, path: Path) -> Counter:
    """Exports, compares with PyTorch, and counts the kinds of nodes."""
    export_graph(module.eval(), example, path, "maps", {0: "batch"}, ["found"])
    with torch.inference_mode():
        expected = module(example).numpy()
    (found,) = onnxruntime.InferenceSession(path).run(None, {"maps": example.numpy()})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def test_a_tower_padded_by_zeros_is_convolutions_only(tmp_path):
    torch.manual_seed(2)
    pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    kinds = exported(Whole(Lite0().eval()), pixels, tmp_path / "tower.onnx")
    assert kinds["Pad"] == 0 and kinds["Slice"] == 0 and kinds["Conv"] == 48


@pytest.mark.parametrize("amounts", [(0, 1, 0, 1), (2, 0, 1, 3)])
def test_each_end_keeps_its_own_amount(tmp_path, amounts):
    kinds = exported(Padded(amounts), torch.randn(1, 3, 9, 7), tmp_path / "graph.onnx")
    assert kinds["Pad"] == 0 and kinds["Conv"] == 1


@pytest.mark.parametrize(
    "module",
    [
        Padded((1, 1, 1, 1), mode="reflect"),
        Padded((1, 1, 1, 1), value=0.5),
        Padded((0, 1, 0, 1), twice=True),
        Padded((0, 1, 0, 1, 0, 0, 0, 1)),
        Padded((-1, 0, 0, 1)),
    ],
    ids=["reflected", "another value", "read twice", "a longer batch", "cut off"],
)
def test_other_padding_stays(tmp_path, module):
    kinds = exported(module, torch.randn(2, 3, 9, 7), tmp_path / "graph.onnx")
    assert kinds["Pad"] == 1
