"""The losses of stage 2 against loops in float64 that follow the formulas, and over several processes."""

import contextlib
import itertools
import os

import open_clip
import pytest
import torch
from open_clip.loss import ClipLoss, SigLipLoss
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from toy_backbone import ToyBackbone, rows_of, toy_batch
from two_processes import run_in_two_processes

from clip_in_training.finetune.backbone.load import load_backbone
from clip_in_training.finetune.losses.clip_in import ClipInLoss
from clip_in_training.finetune.losses.pool import Pool
from clip_in_training.finetune.readers.records import Batch
from clip_in_training.finetune.recipe import BackboneRecipe, TuningLossRecipe
from clip_in_training.finetune.stages.encoder import Encoder
from clip_in_training.finetune.stages.gradients import NotANumber, StepGradient

FORMS, FAMILIES = ("symmetric", "triplet", "negclip"), ("softmax", "sigmoid")
PAIRS, SINGLES = 4, 3
LACKING_SHORT, LACKING_LONG = [1, 9], [0, 6, 10]
EVERYTHING = TuningLossRecipe(0.7, 0.9, 1.1, 0.3)


def unit(*shape, seed):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (values / values.norm(dim=-1, keepdim=True)).requires_grad_()


def pool_of(family):
    images = 2 * PAIRS + SINGLES
    has_short, has_long = torch.ones(images, dtype=torch.bool), torch.ones(images, dtype=torch.bool)
    has_short[LACKING_SHORT] = False
    has_long[LACKING_LONG] = False
    scale = torch.tensor(3.7, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-1.9 if family == "sigmoid" else 0.0, dtype=torch.float64, requires_grad=True)
    vectors = [unit(images, 5, seed=seed) for seed in (1, 2, 3)]
    return Pool(*vectors, has_short, has_long, PAIRS, scale, bias)


def finds(family, anchors, others, scale, bias):
    """The partner of anchor i is other i; computed one logit at a time."""
    total = 0.0
    for i, anchor in enumerate(anchors):
        logits = [scale * (anchor * other).sum() + bias for other in others]
        if family == "softmax":
            total = total + torch.log(sum(torch.exp(logit) for logit in logits)) - logits[i]
        else:
            for j, logit in enumerate(logits):
                total = total + torch.log(1 + torch.exp(-logit if i == j else logit))
    return total / len(anchors)


def reference(pool, weights, family):
    def find(anchors, others):
        return finds(family, anchors, others, pool.scale, pool.bias)

    def negclip(v, u, not_u):
        return (find(v, [*u, *not_u]) + find(u, v)) / 2

    loss = 0.0
    for kind in ("short", "long"):
        texts, has = getattr(pool, kind), getattr(pool, f"has_{kind}")
        rows = [i for i in range(len(texts)) if has[i]]
        images, said = [pool.images[i] for i in rows], [texts[i] for i in rows]
        loss = loss + getattr(weights, f"clip_{kind}") * (find(images, said) + find(said, images)) / 2
        pairs = [i for i in range(PAIRS) if has[i] and has[i + PAIRS]]
        image_s, image_t = [pool.images[i] for i in pairs], [pool.images[i + PAIRS] for i in pairs]
        text_s, text_t = [texts[i] for i in pairs], [texts[i + PAIRS] for i in pairs]
        terms = [(image_s, text_s, text_t), (image_t, text_t, text_s)]
        terms += [(text_s, image_s, image_t), (text_t, image_t, image_s)]
        count = {"negclip": 1, "triplet": 2, "symmetric": 4}[weights.hard_negative]
        loss = loss + getattr(weights, f"hard_negative_{kind}") * sum(negclip(*t) for t in terms[:count])
    return loss


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", FORMS)
def test_the_sum_is_the_formula_with_its_gradients(family, form):
    weights = TuningLossRecipe(0.7, 0.9, 1.1, 0.3, form)
    pool = pool_of(family)
    ours, expected = ClipInLoss(weights, family)(pool)["loss"], reference(pool, weights, family)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    inputs = [pool.images, pool.short, pool.long, pool.scale]
    inputs += [pool.bias] if family == "sigmoid" else []
    for a, b in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_without_negatives_the_families_are_open_clips_losses():
    only_short = TuningLossRecipe(1.0, 0.0, 0.0)
    for family, theirs in (("softmax", ClipLoss()), ("sigmoid", SigLipLoss())):
        pool = pool_of(family)
        rows = pool.has_short
        arguments = (pool.images[rows], pool.short[rows], pool.scale)
        expected = theirs(*arguments, **({"logit_bias": pool.bias} if family == "sigmoid" else {}))
        terms = ClipInLoss(only_short, family)(pool)
        torch.testing.assert_close(terms["clip_short"], expected, rtol=1e-12, atol=1e-12)
        assert set(terms) == {"clip_short", "loss"}


def test_l_short_may_leave_the_edits_to_the_hard_negatives():
    pool = pool_of("softmax")
    alone = pool.has_short.clone()
    alone[: 2 * pool.pairs] = False
    assert alone.any() and (pool.has_short & ~alone).any()
    expected = ClipLoss()(pool.images[alone], pool.short[alone], pool.scale)
    weights = TuningLossRecipe(1.0, 0.0, 1.0, clip_images="singles")
    terms, every = (
        ClipInLoss(weights, "softmax")(pool),
        ClipInLoss(TuningLossRecipe(1.0, 0.0, 1.0), "softmax")(pool),
    )
    torch.testing.assert_close(terms["clip_short"], expected, rtol=1e-12, atol=1e-12)
    assert terms["hard_negative_short"] == every["hard_negative_short"] > 0
    assert terms["clip_short"] != every["clip_short"]


def test_a_term_without_any_caption_is_zero():
    pool = pool_of("softmax")
    pool.has_short[:], pool.has_long[:] = False, False
    terms = ClipInLoss(EVERYTHING, "softmax")(pool)
    assert terms["loss"] == 0
    terms["loss"].backward()


def test_all_weights_zero_is_refused():
    with pytest.raises(ValueError, match="nothing to learn"):
        ClipInLoss(TuningLossRecipe(0, 0, 0, 0), "softmax")(pool_of("softmax"))


def gradients(family, form, chunk, batch, wrap=lambda encoder: encoder, weights=EVERYTHING, dropout=0.0):
    """Loss and the gradient by parameter of one step."""
    backbone = ToyBackbone(family, dropout)
    loss = ClipInLoss(TuningLossRecipe(*list(vars(weights).values())[:4], form), family)
    step = StepGradient(wrap(Encoder(backbone)), loss, chunk, contextlib.nullcontext)
    terms = step(batch, torch.device("cpu"))
    return terms["loss"], {name: p.grad for name, p in backbone.named_parameters() if p.grad is not None}


def same(found, expected):
    torch.testing.assert_close(found[0], expected[0], rtol=1e-10, atol=1e-10)
    moved = {name: g for name, g in found[1].items() if not name.startswith("unused")}
    assert moved.keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(
            moved[name], gradient, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_chunks_change_nothing(family, chunk):
    batch = toy_batch(PAIRS, SINGLES, 1, LACKING_SHORT, LACKING_LONG)
    same(gradients(family, "symmetric", chunk, batch), gradients(family, "symmetric", 0, batch))


def test_chunks_draw_the_same_dropout_twice():
    """With dropout, the gradient uses the same masks as the loss."""
    batch = toy_batch(PAIRS, SINGLES, 1)
    torch.manual_seed(5)
    backbone = ToyBackbone(dropout=0.5)
    loss = ClipInLoss(EVERYTHING, "softmax")
    torch.manual_seed(7)
    StepGradient(Encoder(backbone), loss, 4, contextlib.nullcontext)(batch, torch.device("cpu"))
    after = torch.rand(1)
    found = {name: p.grad for name, p in backbone.named_parameters() if p.grad is not None}
    # The same by hand: all chunks with a graph, one loss, one backward.
    backbone.zero_grad()
    torch.manual_seed(7)
    made = []
    for i in range(0, len(batch.pixels), 4):
        rows = slice(i, i + 4)
        images = backbone.encode_image(batch.pixels[rows])
        made.append(
            [images, *(backbone.encode_text(getattr(batch, kind)[rows]) for kind in ("short", "long"))]
        )
    columns = [torch.cat(column) for column in zip(*made, strict=True)]
    pool = Pool(*columns, batch.has_short, batch.has_long, batch.pairs, backbone.scale(), backbone.bias())
    loss(pool)["loss"].backward()
    for name, gradient in found.items():
        torch.testing.assert_close(
            gradient, dict(backbone.named_parameters())[name].grad, rtol=1e-10, atol=1e-12
        )
    assert after == torch.rand(1)  # The second pass does not change later random numbers.


def test_a_loss_that_is_no_number_names_the_rows():
    batch = toy_batch(PAIRS, SINGLES, 1)
    backbone = ToyBackbone()
    with torch.no_grad():
        backbone.words.weight[4] = float("nan")
    expected = [
        i for i in range(len(batch.pixels)) if (batch.short[i] == 4).any() or (batch.long[i] == 4).any()
    ]
    for chunk in (0, 3):
        step = StepGradient(
            Encoder(backbone), ClipInLoss(EVERYTHING, "softmax"), chunk, contextlib.nullcontext
        )
        with pytest.raises(NotANumber) as caught:
            step(batch, torch.device("cpu"))
        assert caught.value.rows == expected
    assert all(p.grad is None for p in backbone.parameters())


# Each process has different numbers of pairs, singles and captions. The second has no long caption at all.
SHARES = (([0, 1, 2, 5, 6, 7, 10], 3), ([3, 4, 8, 9, 11, 12], 2))
WHOLE = toy_batch(5, 3, 3, lacking_short=(1, 11), lacking_long=(2, 3, 4, 8, 9, 11, 12))
CASES = [*itertools.product(FAMILIES, FORMS, (0,)), ("softmax", "symmetric", 2), ("sigmoid", "symmetric", 2)]


def compute_share(rank, port, folder):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    store = distributed.FileStore(f"{folder}/store", 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    share = rows_of(WHOLE, *SHARES[rank])
    found = []
    for family, form, chunk in CASES:
        found.append(
            gradients(
                family,
                form,
                chunk,
                share,
                lambda encoder: DistributedDataParallel(encoder, find_unused_parameters=True),
            )
        )
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    run_in_two_processes(compute_share, 0, str(tmp_path))
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt")
        for case, result in zip(CASES, found, strict=True):
            family, form, _ = case
            same(result, gradients(family, form, 0, WHOLE))


def test_short_captions_alone_are_open_clips_training_step():
    """Loss and every gradient of ViT-B/32, against open_clip's own forward pass and ClipLoss."""
    backbone = load_backbone(BackboneRecipe("ViT-B-32", positions="absolute", context_length=77), seed=3)
    backbone.train()
    random = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (3, 224, 224, 3), generator=random, dtype=torch.uint8)
    texts = ["a red bolt", "a blue mug on a table", "three screws"]
    ids = backbone.text_rules(texts)
    mask = torch.ones(3, dtype=torch.bool)
    batch = Batch(pixels, 1, ids, ids, mask, mask)
    loss = ClipInLoss(TuningLossRecipe(1.0, 0.0, 0.0), "softmax")
    step = StepGradient(Encoder(backbone), loss, 0, contextlib.nullcontext)
    ours = step(batch, torch.device("cpu"))["loss"]
    found = {name: p.grad for name, p in backbone.clip.named_parameters()}
    backbone.zero_grad()
    model = backbone.clip
    mean, std = (torch.tensor(getattr(backbone.image_rules, k)).view(3, 1, 1) for k in ("mean", "std"))
    model.output_dict = True
    tokens = open_clip.get_tokenizer("ViT-B-32")(texts)
    made = model((pixels.permute(0, 3, 1, 2) / 255 - mean) / std, tokens)
    theirs = ClipLoss()(**made)
    theirs.backward()
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-5, atol=1e-6)
    for name, parameter in model.named_parameters():
        error = (found[name] - parameter.grad).norm() / (parameter.grad.norm() + 1e-8)
        assert error < 1e-4, name
