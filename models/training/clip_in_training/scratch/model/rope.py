"""Rotary positions (RoPE): the position of a token is an angle, so no table of positions limits the text's length.

Su et al., "RoFormer" (arXiv 2104.09864), in the half-split form ("rotate half", ONNX `interleaved=0`):
coordinate i is rotated together with coordinate i + head_width / 2. CLIP-IN rotates the whole head with a
base of 10000.
"""

import torch
from torch import Tensor

BASE = 10000.0


def rotation(length: int | Tensor, head_width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions 0..length-1, each [length, head_width], fp32, on the device of `like`.

    They are computed and not stored, so that the exported graph takes any length. `head_width` must be even.
    """
    if head_width % 2:
        raise ValueError(f"the width of a head must be even to be rotated, but it is {head_width}")
    pair = torch.arange(0, head_width, 2, dtype=torch.float32, device=like.device)
    frequency = BASE ** (-pair / head_width)
    # While a graph is traced, the length is a tensor.
    position = torch.arange(length, dtype=torch.float32, device=like.device)  # type: ignore[arg-type]
    angle = position[:, None] * frequency[None, :]
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos(), angle.sin()


def rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates queries or keys [..., length, head_width] by the angles of `rotation`."""
    first, second = states.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return states * cos.to(states.dtype) + turned * sin.to(states.dtype)
