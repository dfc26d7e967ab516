"""Checkpoints: written atomically, with enough state that a resumed run repeats the loss curve."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from clip_in_training.common.errors import CheckpointError
from clip_in_training.common.whole_file import replacing


def save(path: Path, state: dict[str, Any]) -> None:
    """Replaces the checkpoint atomically: after a kill or with a full disk, the last good one remains."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as partial:
            torch.save(state, partial)
    except (OSError, RuntimeError) as error:  # PyTorch's writer turns a full disk into a RuntimeError
        raise CheckpointError(f"cannot write {path} ({error}); the checkpoint before it is intact") from error


def keep_numbered(path: Path, step: int, count: int) -> None:
    """Copies the checkpoint at `path` to `<name>.step-<step>.pt` and removes all but the last `count` of these
    copies. Where the file system has hard links, nothing is copied. Raises `CheckpointError`.
    """
    numbered = path.with_name(f"{path.stem}.step-{step:06}.pt")
    try:
        with replacing(numbered) as partial:
            try:
                partial.unlink(missing_ok=True)
                os.link(path, partial)
            except OSError:
                shutil.copyfile(path, partial)
        for old in sorted(path.parent.glob(f"{path.stem}.step-*.pt"))[:-count]:
            old.unlink()
    except OSError as error:
        raise CheckpointError(f"cannot keep {numbered} ({error}); {path} is intact") from error


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint (tensors and plain values only)."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no checkpoint at {path}; train first") from error
    except Exception as error:
        raise CheckpointError(f"{path} is not a readable checkpoint ({error})") from error
