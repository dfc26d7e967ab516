"""Checkpoints: written whole or not at all, and enough of the state that a resumed run repeats the loss
curve.
"""

import os
from pathlib import Path
from typing import Any

import torch

from clip_in_training.common.errors import CheckpointError


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes beside the target and renames: a kill or a full disk leaves the last good checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            # Without it, a machine that loses power may have the new name with nothing behind it.
            os.fsync(file.fileno())
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # PyTorch's writer turns a full disk into a RuntimeError
        partial.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write {path} ({error}); the checkpoint before it is intact") from error


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint (tensors and plain values only)."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no checkpoint at {path}; train first") from error
    except Exception as error:
        raise CheckpointError(f"{path} is not a readable checkpoint ({error})") from error
