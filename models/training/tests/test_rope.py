"""Rotary positions: relative, and equal to those of other implementations."""

import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from clip_in_training.scratch.model.rope import rotate, rotation


def test_scores_depend_on_the_distance_only():
    torch.manual_seed(0)
    query, key = torch.randn(48, dtype=torch.float64), torch.randn(48, dtype=torch.float64)
    cos, sin = (t.double() for t in rotation(40, 48, query))
    queries, keys = rotate(query.expand(40, 48), cos, sin), rotate(key.expand(40, 48), cos, sin)
    scores = queries @ keys.T
    for distance in (-7, 0, 1, 13):
        same = torch.stack([scores[i, i + distance] for i in range(40) if 0 <= i + distance < 40])
        assert (same - same[0]).abs().max() < 1e-5
    assert (scores[0, 1] - scores[0, 2]).abs() > 1e-3


def test_position_zero_is_not_turned_and_lengths_are_kept():
    states = torch.randn(3, 5, 48)
    turned = rotate(states, *rotation(5, 48, states))
    torch.testing.assert_close(turned[:, 0], states[:, 0])
    torch.testing.assert_close(turned.norm(dim=-1), states.norm(dim=-1))


def test_agrees_with_transformers():
    torch.manual_seed(1)
    query, key = torch.randn(2, 4, 9, 48), torch.randn(2, 4, 9, 48)
    cos, sin = rotation(9, 48, query)
    # transformers takes the angles, which it builds from the same base of 10000.
    frequency = 1.0 / (10000.0 ** (torch.arange(0, 48, 2).float() / 48))
    angles = torch.outer(torch.arange(9).float(), frequency)
    angles = torch.cat([angles, angles], dim=-1)[None]
    theirs = apply_rotary_pos_emb(query, key, angles.cos(), angles.sin())
    torch.testing.assert_close(rotate(query, cos, sin), theirs[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(rotate(key, cos, sin), theirs[1], rtol=1e-5, atol=1e-5)


def test_an_odd_head_is_refused():
    with pytest.raises(ValueError, match="even"):
        rotation(4, 7, torch.zeros(1))
