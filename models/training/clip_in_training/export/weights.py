"""The weights of a bundle, rounded once, so that all its files hold the same model."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from clip_in_training.common.errors import ExportError


def round_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rounds matrices and kernels to the nearest fp16 value, stored as fp32; vectors and buffers stay as they are.

    This halves the file size, and the fp32 graph and the stored fp16 weights agree exactly. Raises `ExportError` if
    a weight is not finite in fp16.
    """
    rounded = {}
    for name, value in state.items():
        if value.is_floating_point() and value.ndim >= 2:
            value = value.to(torch.float16)
            if not torch.isfinite(value).all():
                raise ExportError(f"{name} has values beyond fp16; the training diverged")
            value = value.to(torch.float32)
        rounded[name] = value.detach().clone().contiguous()
    return rounded


def save_weights(state: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes rounded weights: matrices as fp16 (exact after `round_weights`), the rest unchanged."""
    stored = {
        name: (
            value.to(torch.float16) if value.is_floating_point() and value.ndim >= 2 else value
        ).contiguous()
        for name, value in state.items()
    }
    save_file(stored, path, metadata)
    path.chmod(0o644)
