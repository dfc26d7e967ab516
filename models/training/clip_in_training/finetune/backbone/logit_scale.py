"""CLIP's bound of the learnt scale."""

import math

import torch
from torch import Tensor, nn

LARGEST = torch.nextafter(torch.tensor(math.log(100.0)), torch.tensor(0.0)).item()
"""The largest logarithm whose exponential is at most 100 in fp32."""


def bounded_scale(logit_scale: nn.Parameter) -> Tensor:
    """exp(logit_scale) as a scalar, at most 100: beyond it the softmax saturates.

    The parameter itself is set back, as CLIP does after each step. Cutting off its exponential alone would
    also cut off its gradient, and a scale that once passed 100 (OpenAI's start there) could never fall again.
    """
    with torch.no_grad():
        logit_scale.clamp_(max=LARGEST)
    return logit_scale.exp().reshape(())
