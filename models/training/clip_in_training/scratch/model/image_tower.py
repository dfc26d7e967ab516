"""The image encoder: a small residual convolutional net that represents both *what* there is and *where*.

Average pooling alone loses positions. A flattened map alone must learn each thing at each position. So the head
joins the flattened coarse map (where), its mean and maximum, the maximum of a finer map (one small thing anywhere),
and the output of a few learned queries on the finer map (for example the first character of a label at any
position).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.scratch.recipe import ImageTowerRecipe


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution and its BatchNorm (folded into one convolution at export)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al., arXiv 1512.03385)."""

    def __init__(self, width: int):
        super().__init__()
        self.first = convolution(width, width, 3)
        self.second = convolution(width, width, 3)
        norm = self.second[1]
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [batch, width, rows, columns] to the same shape."""
        branch = self.second(functional.relu(self.first(maps), inplace=True))
        return functional.relu(branch + maps, inplace=True)


class Stage(nn.Module):
    """Lowers the resolution, then refines it with residual blocks."""

    def __init__(self, inputs: int, outputs: int, blocks: int, size: int = 3, stride: int = 2):
        super().__init__()
        self.down = convolution(inputs, outputs, size, stride)
        self.blocks = nn.Sequential(*(Residual(outputs) for _ in range(blocks)))

    def forward(self, maps: Tensor) -> Tensor:
        """[batch, inputs, rows, columns] to [batch, outputs, rows/stride, columns/stride]."""
        return self.blocks(functional.relu(self.down(maps), inplace=True))


# 4x4x3 values become at least 48 channels, so nothing is lost and half of the time of a step is saved: on a CPU,
# the memory traffic of maps at half resolution costs more than they contribute.
STEM_SIZE, STEM_STRIDE = 7, 4


class Seen(NamedTuple):
    """The tower's outputs for a batch of images."""

    features: Tensor
    """[batch, feature_width], concatenated from the values below."""
    coarse: Tensor
    """[batch, channels, grid, grid]."""
    look: Tensor
    """[batch, queries, cells]: where on the finer map each query looks; adds up to 1 over the cells."""
    values: Tensor
    """[batch, cells, value_width]: the values of each cell of the finer map."""


class ImageTower(nn.Module):
    """Maps pixels to one vector per image and one per patch."""

    def __init__(self, recipe: ImageTowerRecipe, image_size: int, embedding: int):
        super().__init__()
        widths = recipe.widths
        reduction = STEM_STRIDE * 2 ** (len(widths) - 1)
        if image_size % reduction:
            raise ValueError(f"image size {image_size} must be a multiple of {reduction}")
        self.mean, self.std = recipe.mean, recipe.std
        self.grid = image_size // reduction
        stages = [Stage(3, widths[0], recipe.blocks[0], STEM_SIZE, STEM_STRIDE)]
        stages += [Stage(*shape) for shape in zip(widths[:-1], widths[1:], recipe.blocks[1:], strict=True)]
        self.stages = nn.ModuleList(stages)
        fine = widths[-2]
        self.fine = convolution(fine, recipe.fine_width, 1)
        self.queries = nn.Conv2d(fine, recipe.queries, 1)
        self.values = convolution(fine, recipe.value_width, 1)
        self.where = convolution(widths[-1], recipe.where_width, 1)
        joined = recipe.where_width * self.grid**2 + 2 * widths[-1]
        joined += recipe.fine_width + recipe.queries * recipe.value_width
        self.join = nn.Linear(joined, recipe.feature_width)
        self.projection = nn.Linear(recipe.feature_width, embedding)
        self.patch_projection = nn.Linear(widths[-1], embedding)

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 NHWC to float NCHW, normalised. This is part of the model, so that a client sends decoded bytes."""
        scale = torch.tensor([1 / (255 * s) for s in self.std], device=pixels.device)
        shift = torch.tensor([-m / s for m, s in zip(self.mean, self.std, strict=True)], device=pixels.device)
        return torch.addcmul(shift, pixels.to(torch.float32), scale).permute(0, 3, 1, 2)

    def see(self, pixels: Tensor) -> Seen:
        """The tower's outputs for uint8 [batch, size, size, 3]."""
        maps = self.normalise(pixels)
        before = maps
        for stage in self.stages:
            before, maps = maps, stage(maps)
        where = functional.relu(self.where(maps)).flatten(1)
        mean = functional.avg_pool2d(maps, self.grid).flatten(1)
        largest = functional.max_pool2d(maps, self.grid).flatten(1)
        fine = functional.max_pool2d(functional.relu(self.fine(before)), 2 * self.grid).flatten(1)
        look = self.queries(before).flatten(2).softmax(dim=-1)
        values = functional.relu(self.values(before)).flatten(2).transpose(1, 2)
        read = (look.to(values.dtype) @ values).flatten(1)
        joined = torch.cat([where, mean, largest, fine, read], dim=1)
        return Seen(functional.relu(self.join(joined)), maps, look, values)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Seen]:
        """uint8 [batch, size, size, 3] to image vectors, patch vectors [batch, cells, embedding], and `Seen`.

        No vector is normalised. Patches are in reading order. `losses.patches` trains `patch_projection`, which
        reads the coarse map alone. So a patch vector describes its own place, in the space of the texts.
        """
        seen = self.see(pixels)
        patches = self.patch_projection(seen.coarse.flatten(2).transpose(1, 2))
        return self.projection(seen.features), patches, seen
