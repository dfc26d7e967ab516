"""The two sides of an edit against each other: alone, and as negatives of a weight of their own in the pool."""

import contextlib
import math
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_losses_terms import vectors
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from toy_backbone import ToyBackbone, rows_of, toy_batch, with_prompts_and_keys
from two_processes import run_in_two_processes

from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.losses.clip_in import ClipInLoss
from clip_in_training.finetune.losses.pool import Pool
from clip_in_training.finetune.losses.within_pair import FORMS, WithinPairLoss
from clip_in_training.finetune.recipe import WITHIN_PAIR, TuningLossRecipe, parse_tuning_recipe
from clip_in_training.finetune.stages.encoder import Encoder
from clip_in_training.finetune.stages.gradients import StepGradient

FAMILIES = ("softmax", "sigmoid")
PAIRS, SINGLES = 4, 3
ONLY = TuningLossRecipe(0.0, 0.0, 0.0, 0.0, within_pair_short=1.0)


def batch_of():
    return with_prompts_and_keys(toy_batch(PAIRS, SINGLES, 1))


def step(batch, family, weights, chunk=0, wrap=lambda encoder: encoder):
    backbone = ToyBackbone(family)
    gradient = StepGradient(
        wrap(Encoder(backbone)), ClipInLoss(weights, family), chunk, contextlib.nullcontext
    )
    terms = gradient(batch, torch.device("cpu"))
    return terms, {n: p.grad for n, p in backbone.named_parameters() if p.grad is not None}


def turned(*degrees):
    angles = [math.radians(d) for d in degrees]
    return torch.tensor([[math.cos(a), math.sin(a)] for a in angles], dtype=torch.float64)


def by_hand(form, family, sharpness=1.0, margin=0.0):
    """Images at 0 and 60 degrees, captions at 0 and 90: cosines 1 and 0 of the first image, ½ and √3/2 of the other.
    Scale 2, bias -1.
    """
    kept = WithinPairLoss(form, family, sharpness)
    kept.margin.fill_(margin)
    two, minus_one = torch.tensor(2.0, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64)
    loss = kept(turned(0), turned(0), turned(60), turned(90), two, minus_one)
    return loss.item(), kept.margin.item()


ROOT = math.sqrt(3) / 2
LEADS = (2 * (1 - 0), 2 * (ROOT - 0.5), 2 * (1 - 0.5), 2 * (ROOT - 0))
"""own - other of: image before, image after, caption before, caption after."""


def test_the_softmax_form_by_hand():
    expected = sum(math.log(1 + math.exp(-lead)) for lead in LEADS) / 4
    assert by_hand("softmax", "softmax")[0] == pytest.approx(expected, rel=1e-12)
    sharper = sum(math.log(1 + math.exp(-3 * lead)) for lead in LEADS) / 4
    assert by_hand("softmax", "softmax", 3.0)[0] == pytest.approx(sharper, rel=1e-12)
    own = [2 * 1 - 1, 2 * ROOT - 1, 2 * 1 - 1, 2 * ROOT - 1]
    other = [2 * 0 - 1, 2 * 0.5 - 1, 2 * 0.5 - 1, 2 * 0 - 1]
    terms = [math.log(1 + math.exp(-a)) + math.log(1 + math.exp(b)) for a, b in zip(own, other, strict=True)]
    assert by_hand("softmax", "sigmoid")[0] == pytest.approx(sum(terms) / 4, rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_margin_is_the_mean_lead_of_the_step_before(family):
    mean = sum(LEADS) / 4
    assert by_hand("margin", family) == (0.0, pytest.approx(mean, rel=1e-12))
    # Only those that lead by less than the margin cost something.
    loss, _ = by_hand("margin", family, margin=mean)
    below = [mean - lead for lead in LEADS if lead < mean]
    assert 0 < len(below) < 4
    assert loss == pytest.approx(sum(below) / 4, rel=1e-12)
    # The margin stays between 0 and 10.
    assert by_hand("margin", family, 100.0)[1] == 10.0
    kept = WithinPairLoss("margin", family)
    kept.margin.fill_(3.0)
    one = torch.tensor(1.0, dtype=torch.float64)
    wrong = kept(turned(0), turned(90), turned(90), turned(0), one, one)
    assert wrong.item() == pytest.approx(3.0 + 1.0, rel=1e-12) and kept.margin.item() == 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_the_direction_form_by_hand(family):
    # Images turn from 0 to 60 degrees: the change points to 120. Captions from 0 to 90: to 135. So 15 apart.
    expected = math.log(1 + math.exp(-2 * math.cos(math.radians(15))))
    assert by_hand("direction", family)[0] == pytest.approx(expected, rel=1e-12)
    sharper = math.log(1 + math.exp(-6 * math.cos(math.radians(15))))
    assert by_hand("direction", family, 3.0)[0] == pytest.approx(sharper, rel=1e-12)


def test_the_direction_form_learns_from_twins_that_the_others_hardly_see():
    """Twins that differ by a little, image and caption in other ways: the less, the less the softmax form pulls."""
    two, zero = torch.tensor(2.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)

    def near(axis, little):
        row = torch.zeros(1, 3, dtype=torch.float64)
        row[0, 0], row[0, axis] = math.cos(little), math.sin(little)
        return row

    def gradient(form, little):
        after = near(1, little).requires_grad_()
        WithinPairLoss(form, "softmax")(near(1, 0), near(2, 0), after, near(2, little), two, zero).backward()
        return after.grad.norm().item()

    assert gradient("softmax", 0.01) == pytest.approx(gradient("softmax", 0.04) / 4, rel=0.05)
    assert gradient("direction", 0.01) == pytest.approx(4 * gradient("direction", 0.04), rel=0.05)
    assert math.isfinite(gradient("direction", 0.0))


def test_a_step_that_is_no_number_leaves_the_margin():
    kept = WithinPairLoss("margin", "softmax")
    kept.margin.fill_(2.5)
    one = torch.tensor(1.0, dtype=torch.float64)
    broken = turned(0) * math.nan
    assert math.isnan(kept(broken, turned(0), turned(60), turned(90), one, one))
    assert kept.margin.item() == 2.5


@pytest.mark.parametrize("family", FAMILIES)
def test_edits_without_both_captions_or_with_equal_ones_are_left_out(family):
    batch = batch_of()
    batch.short_keys[0] = batch.short_keys[PAIRS]  # The first edit says the same on both sides.
    batch.has_short[1] = False  # The second lacks a caption.
    images, short, _, _, scale, bias = vectors(batch, ToyBackbone(family))
    total = 0.0
    for i in range(2, PAIRS):
        for a, b in ((i, i + PAIRS), (i + PAIRS, i)):
            for own, other in (
                (images[a] @ short[a], images[a] @ short[b]),
                (images[a] @ short[a], images[b] @ short[a]),
            ):
                own, other = scale * own + bias, scale * other + bias
                if family == "softmax":
                    total += math.log(1 + math.exp(other - own))
                else:
                    total += math.log(1 + math.exp(-own)) + math.log(1 + math.exp(other))
    terms, _ = step(batch, family, ONLY)
    assert terms["within_pair_short"].item() == pytest.approx(total / (4 * (PAIRS - 2)), rel=1e-9)
    batch.has_short[:PAIRS] = False
    assert step(batch, family, ONLY)[0]["within_pair_short"] == 0


def pool_loss(images, short, scale, bias, family, offset):
    """L_short one logit at a time; the other side of an edit has `offset` added, None leaves it out."""
    total = 0.0
    count = len(images)
    for anchors, others in ((images, short), (short, images)):
        for i in range(count):
            logits = {}
            for j in range(count):
                partner = max(i, j) < 2 * PAIRS and abs(i - j) == PAIRS
                if not (partner and offset is None):
                    logits[j] = scale * float(anchors[i] @ others[j]) + bias + (offset if partner else 0.0)
            if family == "softmax":
                total += math.log(sum(math.exp(v) for v in logits.values())) - logits[i]
            else:
                total += sum(math.log(1 + math.exp(-v if j == i else v)) for j, v in logits.items())
    return total / (2 * count)


@pytest.mark.parametrize("family", FAMILIES)
def test_partners_in_the_pool_count_for_more_or_for_nothing(family):
    batch = batch_of()
    images, short, _, _, scale, bias = vectors(batch, ToyBackbone(family))
    plain = TuningLossRecipe(1.0, 0.0, 0.0, mask_equal_captions=False)
    cases = {
        0.0: plain,
        1.5: replace(plain, clip_partner_margin=1.5),
        None: replace(plain, clip_partners=False),
    }
    found = {}
    for offset, weights in cases.items():
        terms, gradients = step(batch, family, weights)
        assert terms["clip_short"].item() == pytest.approx(
            pool_loss(images, short, scale, bias, family, offset), rel=1e-9
        )
        assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
        found[offset] = terms["clip_short"].item()
    assert found[None] < found[0.0] < found[1.5]


def test_partners_are_found_when_captions_are_missing():
    """Rows without a caption are left out of the pool, and the rest moves up."""
    batch = batch_of()
    batch.has_short[[0, 6]] = False
    images, short, _, _, scale, _ = vectors(batch, ToyBackbone())
    rows = [i for i in range(2 * PAIRS + SINGLES) if i not in (0, 6)]
    total = 0.0
    for anchors, others in ((images, short), (short, images)):
        for i in rows:
            left = [j for j in rows if not (max(i, j) < 2 * PAIRS and abs(i - j) == PAIRS)]
            logits = {j: scale * float(anchors[i] @ others[j]) for j in left}
            total += math.log(sum(math.exp(v) for v in logits.values())) - logits[i]
    weights = TuningLossRecipe(1.0, 0.0, 0.0, mask_equal_captions=False, clip_partners=False)
    terms, _ = step(batch, "softmax", weights)
    assert terms["clip_short"].item() == pytest.approx(total / (2 * len(rows)), rel=1e-9)


WEIGHTS = TuningLossRecipe(
    1.0, 0.5, 0.0, clip_partner_margin=1.0, within_pair_short=0.8, within_pair_long=0.6, within_pair="margin"
)


def two_steps(family, chunk, batch, wrap=lambda encoder: encoder):
    """The second step is compared with the mean lead of the first."""
    backbone, loss = ToyBackbone(family), ClipInLoss(WEIGHTS, family)
    gradient = StepGradient(wrap(Encoder(backbone)), loss, chunk, contextlib.nullcontext)
    gradient(batch, torch.device("cpu"))
    # Pushed apart, so that some are below the margin.
    loss.within_pair["short"].margin.add_(0.5)
    backbone.zero_grad()
    terms = gradient(batch, torch.device("cpu"))
    return terms, {n: p.grad for n, p in backbone.named_parameters() if p.grad is not None}


def same(found, expected):
    for name, term in expected[0].items():
        torch.testing.assert_close(found[0][name], term, rtol=1e-10, atol=1e-10)
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk", [1, 3])
def test_chunks_change_nothing(family, chunk):
    expected = two_steps(family, 0, batch_of())
    assert expected[0]["within_pair_short"] > 0
    same(two_steps(family, chunk, batch_of()), expected)


SHARES = (([0, 4, 8, 10], 1), ([1, 2, 3, 5, 6, 7, 9], 3))


def compute_share(rank, folder):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    store = distributed.FileStore(f"{folder}/store", 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    share = rows_of(batch_of(), *SHARES[rank])
    wrap = lambda encoder: DistributedDataParallel(encoder, find_unused_parameters=True)  # noqa: E731
    found = [two_steps("softmax", 0, share, wrap), two_steps("sigmoid", 0, share, wrap)]
    torch.save(
        [(terms, {n.removeprefix("module."): g for n, g in grads.items()}) for terms, grads in found],
        f"{folder}/{rank}.pt",
    )
    distributed.destroy_process_group()


def test_two_processes_are_one(tmp_path):
    run_in_two_processes(compute_share, str(tmp_path))
    for rank in (0, 1):
        for found, family in zip(torch.load(tmp_path / f"{rank}.pt"), FAMILIES, strict=True):
            same(found, two_steps(family, 0, batch_of()))


def test_the_term_tells_twins_apart_that_differ_slightly():
    """Descent on the term alone makes every comparison right, from vectors that were almost equal."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(PAIRS, 8, generator=generator, dtype=torch.float64)

    def twins():
        rows = torch.cat([base, base]) + 0.05 * torch.randn(2 * PAIRS, 8, generator=generator)
        return rows.requires_grad_()

    images, texts = twins(), twins()
    for form in FORMS:
        loss = ClipInLoss(replace(ONLY, within_pair=form), "softmax")
        free = [images.detach().clone().requires_grad_(), texts.detach().clone().requires_grad_()]
        optimiser = torch.optim.Adam(free, 0.02)
        for _ in range(150):
            unit = [torch.nn.functional.normalize(v, dim=-1) for v in free]
            there = torch.ones(2 * PAIRS, dtype=torch.bool)
            pool = Pool(unit[0], unit[1], None, there, there, PAIRS, torch.tensor(10.0), torch.tensor(0.0))
            optimiser.zero_grad()
            loss(pool)["loss"].backward()
            optimiser.step()
        cosines = np.array((unit[0] @ unit[1].T).tolist())
        own = cosines.diagonal()
        other = np.array([cosines[i, (i + PAIRS) % (2 * PAIRS)] for i in range(2 * PAIRS)])
        if form == "direction":
            sums = own[:PAIRS] + own[PAIRS:] - other[:PAIRS] - other[PAIRS:]
            assert (sums > 0).all()
        else:
            assert (own > other).all(), form


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ('within_pair = "hinge"', "`finetune.losses.within_pair` must be one of softmax, margin, direction"),
        ("within_pair_short = -1.0", "no weight in `finetune.losses` may be negative"),
        (
            "within_pair_short = 1.0\nwithin_pair_sharpness = 0.0",
            "within_pair_sharpness` must be a finite number",
        ),
        ("clip_partner_margin = -1.0", "clip_partner_margin` must be a finite number of at least 0"),
        ("clip_partner_margin = inf", "clip_partner_margin` must be a finite number"),
        ("clip_partner_margin = 1.0\nclip_partners = false", "has no effect while `clip_partners` is false"),
        ('clip_partners = false\nclip_images = "singles"', "are about edits"),
    ],
)
def test_what_cannot_be_is_refused(losses, message):
    text = f'name = "x"\ndescription = ""\n[backbone]\nname = "tiny-clip"\n[finetune.losses]\n{losses}\n'
    with pytest.raises(RecipeError, match=message):
        parse_tuning_recipe(text)


def test_a_term_of_edits_needs_edits():
    text = (
        'name = "x"\ndescription = ""\n[backbone]\nname = "tiny-clip"\n[finetune]\npairs = 0\nsingles = 4\n'
    )
    with pytest.raises(RecipeError, match=r"within_pair_.*are about edits"):
        parse_tuning_recipe(text + "[finetune.losses]\nwithin_pair_long = 0.5\n")


def test_every_form_of_the_loss_is_one_of_the_recipes():
    assert WITHIN_PAIR == FORMS
