"""What pairs say about one another, against the definition in float64."""

import numpy as np
import pytest
import torch

from clip_in_training.adapt.between_pairs import between_pairs, numbered
from clip_in_training.adapt.encoders import unit
from clip_in_training.adapt.measure import which

SCALE = 20.0


def drawn(seed: int, pairs: int = 9, width: int = 6) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(2, pairs, 2, width)))


def by_definition(images: np.ndarray, texts: np.ndarray, facts: list[str]) -> float:
    def lead(own: float, others: dict[str, list[float]]) -> float:
        return np.log1p(sum(np.mean([np.exp(each - own) for each in of_fact]) for of_fact in others.values()))

    cosine = SCALE * np.einsum("isd,jtd->isjt", images, texts)
    found = []
    for i, fact in enumerate(facts):
        all_facts = {name: [j for j, other in enumerate(facts) if other == name] for name in set(facts)}
        good = {name: [cosine[i, 0, j, 1] for j in rows] for name, rows in all_facts.items()}
        rest = {name: rows for name, rows in all_facts.items() if name != fact}
        texts_of = {name: [cosine[i, 1, j, 1] for j in rows] for name, rows in rest.items()}
        pictures_of = {name: [cosine[j, 1, i, 1] for j in rows] for name, rows in rest.items()}
        own = cosine[i, 1, i, 1]
        found.append(lead(cosine[i, 0, i, 0], good) + (lead(own, texts_of) + lead(own, pictures_of)) / 2)
    return float(np.mean(found))


@pytest.mark.parametrize("facts", [list("aabbbcabc"), list("abcdefghi"), list("aaaaaaaaa")])
def test_the_loss_is_its_definition_and_has_a_gradient(facts):
    images, texts = drawn(1)
    tensors = [torch.from_numpy(each).requires_grad_(True) for each in (images, texts)]
    loss = between_pairs(*tensors, numbered(facts), torch.tensor(SCALE))
    # PyTorch's softplus(x) is x from 20 on.
    assert loss.item() == pytest.approx(by_definition(images, texts, facts), rel=1e-7)
    loss.backward()
    assert all(torch.isfinite(tensor.grad).all() and tensor.grad.abs().sum() > 0 for tensor in tensors)


def test_pairs_of_a_fact_are_not_set_against_each_other():
    """Another caption of the same fact may be true: how near it is does not count."""
    images, texts = drawn(2, pairs=2)
    losses = []
    for _ in range(2):
        vectors = [torch.from_numpy(each) for each in (images[:, 1:], texts[:, 1:])]
        pair = [torch.cat([torch.zeros_like(each), each], 1) for each in vectors]
        losses.append(between_pairs(*pair, numbered(["a", "a"]), torch.tensor(SCALE)).item())
        texts = np.stack([texts[0], texts[0]])
    assert losses[0] == losses[1]


def test_which_fact_it_is():
    """One caption of the other fact is nearer; a second caption of the own fact would do."""
    vectors = np.eye(4)
    sides = np.stack([np.zeros((3, 4)), vectors[:3]], axis=1)
    texts = np.stack([np.zeros((3, 4)), vectors[[0, 2, 1]]], axis=1)
    assert which(sides, texts, ["a", "b", "c"]).tolist() == [True, False, False]
    assert which(sides, texts, ["a", "b", "b"]).tolist() == [True, True, True]
    assert len(which(sides, texts, ["a", "a", "a"])) == 0
