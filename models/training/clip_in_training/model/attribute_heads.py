"""Reads a scene's attributes from the image features: the teacher of stage A, not part of the bundle."""

from torch import Tensor, nn


class AttributeHeads(nn.Module):
    """One linear classifier an attribute, computed as a single product."""

    def __init__(self, feature_width: int, attributes: dict[str, list[str]]):
        super().__init__()
        self.sizes = {name: len(values) for name, values in attributes.items()}
        self.linear = nn.Linear(feature_width, sum(self.sizes.values()))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [batch, feature_width] to logits [batch, values] by attribute name, fp32."""
        parts = self.linear(features).float().split(list(self.sizes.values()), dim=-1)
        return dict(zip(self.sizes, parts, strict=True))
