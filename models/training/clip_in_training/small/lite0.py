"""EfficientNet-Lite0 (Apache-2.0): a convolutional net of 4.7 M parameters, trained on the 1,000 classes of ImageNet.

Inverted residual blocks (Sandler et al., arXiv 1801.04381) without squeeze-and-excite, with ReLU6, and with the
"same" padding of TensorFlow: a convolution gives ceil(size / stride) values, and an odd padding is larger at the end.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 1000
STEM, HEAD = 32, 1280
MEAN, SCALE = 127, 128
"""A pixel p, 0…255, enters as (p - MEAN) / SCALE."""
EPSILON = 1e-3
"""Of BatchNorm."""

STAGES = (
    # blocks, kernel, stride of the first block, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
FINE_BLOCK = 2
"""The block whose expansion gives the output at stride 4."""
LAST_BLOCKS = {8: 4, 16: 10, 32: 15}
"""The block that gives the output at a stride: the last one there."""
CHANNELS = {4: 144, 8: 40, 16: 112, 32: 320}
"""Channels of the output at each stride."""

BORDERS = ("zeros", "reflect")


class SamePadded(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding, by zeros (as trained) or by reflection."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.borders = "zeros"

    def forward(self, maps: Tensor) -> Tensor:
        """[batch, inputs, rows, columns] to [batch, outputs, ceil(rows / stride), ceil(columns / stride)]."""
        return self.of_padded(self.padded(maps))

    def padded(self, maps: Tensor) -> Tensor:
        """Maps with this convolution's padding. The channels need not be its own."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        (top, bottom), (left, right) = (same_padding(int(side), kernel, stride) for side in maps.shape[-2:])
        if not (top or bottom or left or right):
            return maps
        mode = "constant" if self.borders == "zeros" else "reflect"
        return functional.pad(maps, (left, right, top, bottom), mode=mode)

    def of_padded(self, maps: Tensor) -> Tensor:
        """The convolution of maps that have its padding already."""
        return super().forward(maps)


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Values to add before and behind `side` values, so that a convolution gives ceil(side / stride)."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and its BatchNorm (`fold_batch_norm` makes one convolution of them)."""
    return nn.Sequential(
        SamePadded(inputs, outputs, kernel, stride, groups), nn.BatchNorm2d(outputs, eps=EPSILON)
    )


class Block(nn.Module):
    """An inverted residual block: expand, filter each channel, project; with a shortcut where the shape is kept."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.expand = convolution(inputs, wide, 1) if expansion > 1 else None
        self.filter = convolution(wide, wide, kernel, stride, groups=wide)
        self.project = convolution(wide, outputs, 1)
        self.shortcut = stride == 1 and inputs == outputs

    def expanded(self, maps: Tensor) -> Tensor:
        """The expansion before its ReLU6, [batch, inputs * expansion, rows, columns]."""
        return maps if self.expand is None else self.expand(maps)

    def finish(self, maps: Tensor, expanded: Tensor) -> Tensor:
        """The block's output, from its input and `expanded`."""
        wide = expanded if self.expand is None else functional.relu6(expanded)
        return self._project(maps, self.filter(wide))

    def _project(self, maps: Tensor, filtered: Tensor) -> Tensor:
        projected = self.project(functional.relu6(filtered))
        return projected + maps if self.shortcut else projected

    def forward(self, maps: Tensor) -> Tensor:
        """[batch, inputs, rows, columns] to [batch, outputs, rows / stride, columns / stride]."""
        convolution, norm = self.filter[0], self.filter[1]
        assert isinstance(convolution, SamePadded)
        if self.expand is None or convolution.borders == "zeros":
            return self.finish(maps, self.expanded(maps))
        # The expansion looks at one place at a time, so that reflecting before it gives the same values as reflecting
        # after it, and copies a sixth of the channels. (A zero before it would not be a zero after it.)
        wide = functional.relu6(self.expand(convolution.padded(maps)))
        return self._project(maps, norm(convolution.of_padded(wide)))


class Outputs(NamedTuple):
    """Maps of a batch of images, [batch, channels, rows / stride, columns / stride] (rounded up), and its classes."""

    stride4: Tensor
    """144 channels: the expansion of block 2 before its ReLU6; clamped to 0…6 it is what the tower goes on with."""
    stride8: Tensor
    """40 channels."""
    stride16: Tensor
    """112 channels."""
    stride32: Tensor
    """320 channels."""
    logits: Tensor
    """[batch, 1000]: ImageNet-1k's classes in their usual order."""


class Lite0(nn.Module):
    """EfficientNet-Lite0 with random weights; `lite0_weights.pretrained` gives the published ones."""

    def __init__(self):
        super().__init__()
        self.stem = convolution(3, STEM, 3, 2)
        blocks, inputs = [], STEM
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for turn in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, stride if turn == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.head = convolution(inputs, HEAD, 1)
        self.classifier = nn.Linear(HEAD, CLASSES)

    def maps(self, pixels: Tensor, deepest: int = 32) -> dict[int, Tensor]:
        """The maps by stride (4, 8, 16, 32) up to `deepest`, of normalised pixels [batch, 3, rows, columns].

        Blocks behind the deepest map do not run. Training may start from here with images of any floating type.
        """
        last = {number: stride for stride, number in LAST_BLOCKS.items()}
        found: dict[int, Tensor] = {}
        maps = functional.relu6(self.stem(pixels))
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            if number == FINE_BLOCK:
                found[4] = block.expanded(maps)
                if deepest == 4:
                    return found
                maps = block.finish(maps, found[4])
            else:
                maps = block(maps)
            if number in last:
                found[last[number]] = maps
                if deepest == last[number]:
                    return found
        return found

    def classify(self, stride32: Tensor) -> Tensor:
        """Logits [batch, 1000] of the map at stride 32."""
        return self.classifier(self.pooled(stride32))

    def pooled(self, stride32: Tensor) -> Tensor:
        """The vector before the classifier, [batch, 1280], of the map at stride 32."""
        return functional.relu6(self.head(stride32)).mean(dim=(2, 3))

    def forward(self, pixels: Tensor) -> Outputs:
        """All outputs of uint8 [batch, rows, columns, 3]."""
        maps = self.maps(normalised(pixels))
        return Outputs(maps[4], maps[8], maps[16], maps[32], self.classify(maps[32]))

    def cut(self, deepest: int) -> "Lite0":
        """Removes the modules that `maps` does not run for `deepest`, so that their weights are not exported."""
        last = FINE_BLOCK if deepest == 4 else LAST_BLOCKS[deepest]
        self.blocks = self.blocks[: last + 1]
        if deepest == 4:
            fine = self.blocks[FINE_BLOCK]
            assert isinstance(fine, Block)
            del fine.filter, fine.project
        del self.head, self.classifier
        return self

    def set_borders(self, borders: str) -> "Lite0":
        """Pads by "zeros", as it was trained, or by "reflect", so that a border looks like the inside."""
        if borders not in BORDERS:
            raise ValueError(f"borders must be one of {', '.join(BORDERS)}, not {borders[:40]!r}")
        for module in self.modules():
            if isinstance(module, SamePadded):
                module.borders = borders
        return self


def normalised(pixels: Tensor) -> Tensor:
    """uint8 [batch, rows, columns, 3] to the float [batch, 3, rows, columns] that the stem reads."""
    return ((pixels.to(torch.float32) - MEAN) / SCALE).permute(0, 3, 1, 2)
