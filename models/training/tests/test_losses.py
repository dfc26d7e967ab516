"""The losses against a plain reference in float64: value and gradients."""

import math

import pytest
import torch

from clip_in_training.common.losses.hard_negative import HardNegativeLoss, negclip
from clip_in_training.scratch.losses.attributes import UNKNOWN, attribute_loss
from clip_in_training.scratch.losses.changed_captions import changed_caption_loss
from clip_in_training.scratch.losses.joint import Encoded, JointLoss
from clip_in_training.scratch.losses.patches import BEST, patch_loss
from clip_in_training.scratch.recipe import LossRecipe

PAIRS, WIDTH, SCALE = 5, 7, 11.3


def unit(*shape, seed):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (values / values.norm(dim=-1, keepdim=True)).requires_grad_()


def dot(a, b):
    return sum(a[k] * b[k] for k in range(len(a)))


def log_sum_exp(values):
    top = max(v.item() for v in values)
    return top + torch.log(sum(torch.exp(v - top) for v in values))


def reference_negclip(anchors, positives, negatives, scale):
    """Computed from the formula of the method, one logit at a time."""
    count = len(anchors)
    total = 0.0
    for i in range(count):
        pool = [scale * dot(anchors[i], positives[j]) for j in range(count)]
        pool += [scale * dot(anchors[i], negatives[j]) for j in range(count)]
        total = total + (log_sum_exp(pool) - pool[i]) / (2 * count)
        back = [scale * dot(positives[i], anchors[j]) for j in range(count)]
        total = total + (log_sum_exp(back) - back[i]) / (2 * count)
    return total


def reference_clip(images, texts, scale):
    count = len(images)
    total = 0.0
    for i in range(count):
        row = [scale * dot(images[i], texts[j]) for j in range(count)]
        column = [scale * dot(images[j], texts[i]) for j in range(count)]
        total = total + (log_sum_exp(row) - row[i] + log_sum_exp(column) - column[i]) / (2 * count)
    return total


def same_with_gradients(ours, reference, inputs):
    torch.testing.assert_close(ours, reference, rtol=1e-10, atol=1e-10)
    for a, b in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(reference, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_negclip_is_the_formula():
    v, u, n = (unit(PAIRS, WIDTH, seed=s) for s in range(3))
    same_with_gradients(negclip(v, u, n, SCALE), reference_negclip(v, u, n, SCALE), [v, u, n])


@pytest.mark.parametrize("form", ["symmetric", "triplet", "negclip"])
def test_hard_negative_loss_sums_the_terms_of_its_form(form):
    images_s, texts_s, images_t, texts_t = inputs = [unit(PAIRS, WIDTH, seed=s) for s in range(4)]
    scale = torch.tensor(2.3, dtype=torch.float64, requires_grad=True)
    expected = reference_negclip(images_s, texts_s, texts_t, scale)
    if form != "negclip":
        expected = expected + reference_negclip(images_t, texts_t, texts_s, scale)
    if form == "symmetric":
        expected = expected + reference_negclip(texts_s, images_s, images_t, scale)
        expected = expected + reference_negclip(texts_t, images_t, images_s, scale)
    used = [*inputs, scale] if form != "negclip" else [images_s, texts_s, texts_t, scale]
    same_with_gradients(HardNegativeLoss(form)(*inputs, scale), expected, used)


def test_hard_negatives_raise_the_loss_only_through_the_pool():
    v = unit(PAIRS, WIDTH, seed=1)
    near, far = negclip(v, v, v, 10.0), negclip(v, v, -v, 10.0)
    assert near > far > 0


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match="unknown form"):
        HardNegativeLoss("quadruple")


def test_patch_loss_scores_by_the_best_patches():
    patches, texts = unit(4, 9, WIDTH, seed=3), unit(4, WIDTH, seed=4)
    rows = []
    for i in range(4):
        row = []
        for t in range(4):
            scores = sorted(
                (dot(patches[i, p], texts[t]) for p in range(9)), key=lambda score: score.item(), reverse=True
            )
            row.append(sum(scores[:BEST]) / BEST)
        rows.append(torch.stack(row))
    logits = SCALE * torch.stack(rows)
    own = logits.diagonal()
    expected = ((logits.logsumexp(1) - own).mean() + (logits.logsumexp(0) - own).mean()) / 2
    same_with_gradients(patch_loss(patches, texts, SCALE), expected, [patches, texts])


def test_attribute_loss_leaves_out_unknown_labels():
    colour = torch.tensor([[2.0, 0.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    count = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[0, 3], [UNKNOWN, 1]])
    expected = (math.log(1 + math.exp(-2.0)) + math.log(4)) / 2
    loss = attribute_loss({"colour": colour, "count": count}, labels)
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    nothing = attribute_loss({"colour": colour, "count": count}, torch.full((2, 2), UNKNOWN))
    assert nothing.item() == 0
    nothing.backward()


def test_changed_caption_loss_is_the_cross_entropy_of_the_first_caption():
    images, texts = unit(3, WIDTH, seed=6), unit(7, WIDTH, seed=7)
    owner = torch.tensor(
        [0, 0, 0, 1, 2, 2, 2]
    )  # The second image has its own caption alone: nothing to choose.
    expected = torch.zeros((), dtype=torch.float64)
    for image, (first, last) in enumerate([(0, 3), (3, 4), (4, 7)]):
        logits = SCALE * torch.stack([dot(images[image], texts[row]) for row in range(first, last)])
        expected = expected + (logits.logsumexp(0) - logits[0]) / 3
    loss = changed_caption_loss(images, texts, owner, torch.tensor(SCALE, dtype=torch.float64))
    same_with_gradients(loss, expected, [images, texts])


def test_joint_loss_is_the_weighted_sum():
    images, short, long = (unit(2 * PAIRS, WIDTH, seed=s) for s in range(3))
    patches = unit(2 * PAIRS, 9, WIDTH, seed=5)
    logits = {"colour": torch.zeros(2 * PAIRS, 8, dtype=torch.float64)}
    labels = torch.zeros(2 * PAIRS, 1, dtype=torch.int64)
    weights = LossRecipe(
        clip_short=0.3, clip_long=0.7, hard_negative_short=0.5, hard_negative_long=0.2, attributes=2.0
    )
    encoded = Encoded(images, short, long, patches, logits, labels, torch.tensor(SCALE, dtype=torch.float64))
    terms = JointLoss(weights)(encoded)

    def hard(texts):
        (i_s, i_t), (t_s, t_t) = images.chunk(2), texts.chunk(2)
        terms = [(i_s, t_s, t_t), (i_t, t_t, t_s), (t_s, i_s, i_t), (t_t, i_t, i_s)]
        return sum(reference_negclip(*term, SCALE) for term in terms)

    expected = 0.3 * reference_clip(images, short, SCALE) + 0.7 * reference_clip(images, long, SCALE)
    expected = expected + 0.5 * hard(short) + 0.2 * hard(long) + 2.0 * math.log(8)
    same_with_gradients(terms["loss"], expected, [images, short, long])
    assert "patches" not in terms


def test_a_recipe_without_any_term_is_refused():
    x = unit(2, WIDTH, seed=0)
    empty = Encoded(x, x, x, None, None, torch.zeros(2, 1), torch.tensor(1.0))
    with pytest.raises(ValueError, match="every term"):
        JointLoss(LossRecipe())(empty)
