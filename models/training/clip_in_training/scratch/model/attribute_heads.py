"""Reads a scene's attributes from the features of the image tower: used by stage A, not part of the bundle."""

from typing import Protocol

from torch import Tensor, nn

from clip_in_training.scratch.losses.reading import CodeReading
from clip_in_training.scratch.model.image_tower import Seen


class Widths(Protocol):
    """What the recipe of an image tower says of its features."""

    @property
    def feature_width(self) -> int:
        """Numbers a picture."""
        ...

    @property
    def value_width(self) -> int:
        """Numbers a query of the small map."""
        ...


class Classifiers(nn.Module):
    """One linear classifier per attribute, computed as a single product."""

    def __init__(self, width: int, attributes: dict[str, list[str]]):
        super().__init__()
        self.sizes = {name: len(values) for name, values in attributes.items()}
        self.linear = nn.Linear(width, sum(self.sizes.values()))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [batch, width] to logits [batch, values] by attribute name, fp32."""
        parts = self.linear(features).float().split(list(self.sizes.values()), dim=-1)
        return dict(zip(self.sizes, parts, strict=True))


class AttributeHeads(Classifiers):
    """Classifiers of a picture's attributes, and one of the characters of its code."""

    def __init__(self, recipe: Widths, attributes: dict[str, list[str]], code: tuple[str, ...]):
        super().__init__(recipe.feature_width, attributes)
        self.code = [list(attributes).index(name) for name in code]
        """Columns of the labels that hold the code's characters."""
        self.characters = nn.Linear(recipe.value_width, len(attributes[code[0]]))

    def read(self, seen: Seen, cells: Tensor) -> CodeReading:
        """Where the first queries look, and the logits of the characters at `cells` [batch, characters] (see
        `losses.reading`).
        """
        look = seen.look[:, : cells.shape[1]].float().clamp_min(1e-9).log()
        at = cells.clamp_min(0).unsqueeze(-1).expand(-1, -1, seen.values.shape[-1])
        return CodeReading(look, self.characters(seen.values.gather(1, at)).float())
