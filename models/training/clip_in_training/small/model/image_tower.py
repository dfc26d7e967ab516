"""The image encoder: Lite0, frozen, and heads on its maps at strides 4, 8, 16 and 32."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_in_training.scratch.model.image_tower import Residual, Seen, convolution
from clip_in_training.small.lite0 import CHANNELS, HEAD, LAST_BLOCKS, STAGES, Lite0, normalised
from clip_in_training.small.recipe import HeadsRecipe

NARROW = {4: 1} | LAST_BLOCKS
"""The block whose output is the map at a stride. At stride 4 that is the narrow map of 24 channels, from which the
expansion of 144 channels that `Lite0.maps` gives is made."""
WIDTHS = CHANNELS | {4: STAGES[1][-1]}
"""Channels of these maps."""


class Maps(NamedTuple):
    """What the frozen tower gives for a batch of pictures."""

    stride4: Tensor
    """[batch, 24, 2 * rows, 2 * columns]: edges and strokes, which printed characters and scratches need."""
    stride8: Tensor
    """[batch, 40, rows, columns]."""
    stride16: Tensor
    """[batch, 112, rows / 2, columns / 2]."""
    stride32: Tensor
    """[batch, 320, rows / 4, columns / 4]."""
    pooled: Tensor
    """[batch, 1280]: what the classifier reads."""


def frozen_maps(lite0: Lite0, pixels: Tensor) -> Maps:
    """The maps of uint8 [batch, size, size, 3]."""
    strides = {block: stride for stride, block in NARROW.items()}
    found: dict[int, Tensor] = {}
    maps = functional.relu6(lite0.stem(normalised(pixels)))
    for number, block in enumerate(lite0.blocks):
        maps = block(maps)
        if number in strides:
            found[strides[number]] = maps
    return Maps(found[4], found[8], found[16], found[32], lite0.pooled(found[32]))


class FineReader(nn.Module):
    """Reads from the maps what is where: one vector a picture.

    The maps are brought together at stride 8, where a cell reads all 2x2 places of the map at stride 4. As in the
    tower of `scratch`, the result joins a flattened coarse map (where), means and maxima (what), and what a few
    learnt queries read at stride 8 (small things anywhere).
    """

    def __init__(self, shape: HeadsRecipe, size: int):
        super().__init__()
        self.grid = size // 16
        width, coarse = shape.map_width, shape.coarse_width
        self.lifts = nn.ModuleList(convolution(WIDTHS[stride], width, 1) for stride in (8, 16, 32))
        self.strokes = convolution(4 * WIDTHS[4], width, 1)
        self.refine = nn.Sequential(*(Residual(width) for _ in range(shape.map_blocks)))
        self.down = convolution(width, coarse, 3, 2)
        self.largest = convolution(width, 4 * width, 1)
        self.queries = nn.Conv2d(width, shape.queries, 1)
        self.values = convolution(width, shape.value_width, 1)
        self.where = convolution(coarse, shape.where_width, 1)
        joined = shape.where_width * self.grid**2 + 2 * coarse + 4 * width
        joined += shape.queries * shape.value_width + HEAD
        self.join = nn.Linear(joined, shape.feature_width)

    def forward(self, maps: Maps) -> Seen:
        """Features [batch, feature_width], and where the queries look on the grid at stride 8."""
        lifted = [lift(map_) for lift, map_ in zip(self.lifts, maps[1:4], strict=True)]
        fine = lifted[0] + self.strokes(functional.pixel_unshuffle(maps.stride4, 2))
        for factor, coarser in zip((2, 4), lifted[1:], strict=True):
            fine = fine + functional.interpolate(coarser, scale_factor=factor, mode="nearest")
        fine = self.refine(functional.relu(fine))
        coarse = functional.relu(self.down(fine))
        where = functional.relu(self.where(coarse)).flatten(1)
        mean = functional.avg_pool2d(coarse, self.grid).flatten(1)
        most = functional.max_pool2d(coarse, self.grid).flatten(1)
        largest = functional.max_pool2d(functional.relu(self.largest(fine)), 2 * self.grid).flatten(1)
        look = self.queries(fine).flatten(2).softmax(dim=-1)
        values = functional.relu(self.values(fine)).flatten(2).transpose(1, 2)
        read = (look @ values).flatten(1)
        joined = torch.cat([where, mean, most, largest, read, maps.pooled], dim=1)
        return Seen(functional.relu(self.join(joined)), coarse, look, values)


class ImageHeads(nn.Module):
    """From the frozen maps to the embedding."""

    def __init__(self, shape: HeadsRecipe, size: int):
        super().__init__()
        self.world = nn.Linear(HEAD, shape.world)
        self.world.requires_grad_(False)
        self.reader = FineReader(shape, size)
        self.fine = nn.Linear(shape.feature_width, shape.fine)
        self.share = shape.share
        self.balance = nn.Parameter(torch.zeros(()))
        """The share of the trained part, the same for all pictures: see `joined_parts`."""

    def forward(self, maps: Maps) -> tuple[Tensor, Seen]:
        """Unit vectors [batch, world + fine], and what the reader saw."""
        seen = self.reader(maps)
        fine = self.fine(seen.features)
        return joined_parts(
            self.world(maps.pooled), fine, self.share * self.balance.sigmoid().reshape(1, 1)
        ), seen


class ImageTower(nn.Module):
    """Pixels to unit vectors."""

    def __init__(self, lite0: Lite0, heads: ImageHeads):
        super().__init__()
        self.lite0, self.heads = lite0.requires_grad_(False), heads
        if hasattr(lite0, "classifier"):
            del lite0.classifier  # `heads.world` holds what is needed of it

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 [batch, size, size, 3] to unit vectors [batch, world + fine]."""
        return self.heads(frozen_maps(self.lite0, pixels))[0]


def joined_parts(world: Tensor, fine: Tensor, share: Tensor) -> Tensor:
    """The embedding, a unit vector, of both parts [batch, width]. `share` is that of `fine` in its squared length.

    It is [batch, 1], or [1, 1] for all. Both parts have unit length before they are joined, so that a picture
    and a text cannot be near each other by the length of a part alone.
    """
    world = functional.normalize(world, dim=-1) * (1 - share).sqrt()
    return torch.cat([world, functional.normalize(fine, dim=-1) * share.sqrt()], dim=-1)
