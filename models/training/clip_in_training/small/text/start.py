"""The student before stage 1: some layers and pieces of MiniLM, without its table of positions."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from clip_in_training.small.text.encoder import Encoder

POSITIONS = 32
"""The first positions, whose mean vector joins the table of tokens."""


def student(teacher: Encoder, layers: Sequence[int], rows: Tensor) -> Encoder:
    """A rotary encoder with the teacher's `layers` (from 0) and the `rows` (int64) of its table of tokens.

    The mean of the first positions becomes part of each token, because the norm that follows was trained with both.
    `teacher` is one with a table of positions.
    """
    shape = replace(
        teacher.shape, vocabulary=len(rows), layers=len(layers), table=None, pad_id=0, projected=True
    )
    small = Encoder(shape)
    assert teacher.positions is not None and small.projection is not None
    with torch.no_grad():
        mean = teacher.positions[:POSITIONS].mean(0)
        small.token_embedding.weight.copy_(teacher.token_embedding.weight[rows] + mean)
        small.norm.load_state_dict(teacher.norm.state_dict())
        for block, number in zip(small.blocks, layers, strict=True):
            block.load_state_dict(teacher.blocks[number].state_dict())
        small.projection.weight.copy_(torch.eye(shape.width))
    return small.eval()


@torch.no_grad()
def fit_projection(encoder: Encoder, means: Tensor, taught: Tensor, ridge: float = 0.1) -> None:
    """Sets the projection to the linear map from the student's means to the teacher's vectors, in closed form.

    `means` [texts, width] are vectors before the projection, `taught` [texts, width] unit vectors. Ridge regression
    draws it towards a multiple of the identity: `ridge` is its weight, relative to the mean square of `means`.
    """
    assert encoder.projection is not None
    scale = means.norm(dim=1).mean()
    inputs = (means / scale).double()
    weight = ridge * len(means) / means.shape[1]
    identity = torch.eye(means.shape[1], dtype=torch.float64)
    solved = torch.linalg.solve(
        inputs.T @ inputs + weight * identity, inputs.T @ taught.double() + weight * identity
    )
    encoder.projection.weight.copy_((solved.T / scale).float())
