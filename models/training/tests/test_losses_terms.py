"""Equal captions do not count as negatives; PC-CLIP's difference loss; the anchor to the start."""

import contextlib
import math
import os

import numpy as np
import pytest
import torch
from reader_data import preprocess, recipe, source, write_edits
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from toy_backbone import ToyBackbone, rows_of, toy_batch, with_prompts_and_keys
from two_processes import run_in_two_processes

from clip_in_training.common.recipe import RecipeError
from clip_in_training.finetune.losses.clip_in import ClipInLoss
from clip_in_training.finetune.readers.batches import Batches
from clip_in_training.finetune.readers.sources import open_sources
from clip_in_training.finetune.recipe import TuningLossRecipe, parse_tuning_recipe
from clip_in_training.finetune.stages.encoder import Encoder
from clip_in_training.finetune.stages.gradients import StepGradient

FAMILIES = ("softmax", "sigmoid")
WEIGHTS = TuningLossRecipe(1.0, 0.7, 0.9, 0.4, difference=0.6, anchor=2.0)
PAIRS, SINGLES = 4, 3


def start_of(family):
    return ToyBackbone(family, seed=9).requires_grad_(False).eval()


def step(batch, family="softmax", weights=WEIGHTS, chunk=0, wrap=lambda encoder: encoder):
    """The terms, and the gradient by parameter."""
    backbone = ToyBackbone(family)
    anchor = Encoder(start_of(family)) if weights.anchor else None
    loss = ClipInLoss(weights, family)
    terms = StepGradient(wrap(Encoder(backbone)), loss, chunk, contextlib.nullcontext, anchor)(
        batch, torch.device("cpu")
    )
    return terms, {n: p.grad for n, p in backbone.named_parameters() if p.grad is not None}


def batch_of(pairs=PAIRS, singles=SINGLES, seed=1):
    return with_prompts_and_keys(toy_batch(pairs, singles, seed))


def vectors(batch, backbone):
    with torch.no_grad():
        images = backbone.encode_image(batch.pixels).numpy()
        short, long, prompt = (
            backbone.encode_text(getattr(batch, k)).numpy() for k in ("short", "long", "prompt")
        )
    return images, short, long, prompt, backbone.scale().item(), backbone.bias().item()


def one_way(anchors, pool, keys, pool_keys, scale, bias, family):
    """Computed number by number: row i of the pool is anchor i's partner; other entries with its key are left
    out.
    """
    total = 0.0
    for i, anchor in enumerate(anchors):
        logits = [scale * float(anchor @ other) + bias for other in pool]
        left = [j for j in range(len(pool)) if j == i or pool_keys[j] != keys[i]]
        if family == "softmax":
            total -= logits[i] - math.log(sum(math.exp(logits[j]) for j in left))
        else:
            total += sum(math.log1p(math.exp(-logits[j] if j == i else logits[j])) for j in left)
    return total / len(anchors)


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_captions_are_no_negatives_of_each_other(family):
    batch = batch_of()
    images, short, _, _, scale, bias = vectors(batch, ToyBackbone(family))
    keys = batch.short_keys.tolist()
    terms, _ = step(batch, family)
    both = [one_way(a, b, keys, keys, scale, bias, family) for a, b in ((images, short), (short, images))]
    assert terms["clip_short"].item() == pytest.approx(sum(both) / 2, rel=1e-9)
    s, t = slice(0, PAIRS), slice(PAIRS, 2 * PAIRS)
    total = 0.0
    for anchors, partners in ((images, short), (short, images)):
        for a, b in ((s, t), (t, s)):
            pool, pool_keys = np.concatenate([partners[a], partners[b]]), keys[a] + keys[b]
            total += one_way(anchors[a], pool, keys[a], pool_keys, scale, bias, family) / 2
            total += one_way(partners[a], anchors[a], keys[a], keys[a], scale, bias, family) / 2
    assert terms["hard_negative_short"].item() == pytest.approx(total, rel=1e-9)
    # With the equal captions as negatives, the loss is higher.
    unmasked, _ = step(batch, family, TuningLossRecipe(1.0, 0.7, 0.9, 0.4, mask_equal_captions=False))
    assert unmasked["clip_short"] > terms["clip_short"]
    assert unmasked["hard_negative_short"] > terms["hard_negative_short"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_difference_of_an_edits_images_matches_its_prompt(family):
    batch = batch_of()
    images, _, _, prompt, scale, bias = vectors(batch, ToyBackbone(family))
    rows = [PAIRS + i for i in range(1, PAIRS)]  # The first edit has no prompt.
    change = np.stack([images[row] - images[row - PAIRS] for row in rows])
    change /= np.linalg.norm(change, axis=1, keepdims=True)
    keys = batch.prompt_keys[rows].tolist()
    both = [
        one_way(a, b, keys, keys, scale, bias, family)
        for a, b in ((change, prompt[rows]), (prompt[rows], change))
    ]
    terms, _ = step(batch, family)
    assert terms["difference"].item() == pytest.approx(sum(both) / 2, rel=1e-9)
    batch.has_prompt[:] = False
    assert step(batch, family)[0]["difference"] == 0


def test_the_anchor_is_the_mean_distance_of_single_images_and_captions_to_the_start():
    batch = batch_of()
    batch.has_long[-1] = False
    now, start = vectors(batch, ToyBackbone()), vectors(batch, start_of("softmax"))
    far = []
    for kind in range(3):  # images, short, long
        rows = range(2 * PAIRS, 2 * PAIRS + SINGLES - (kind == 2))
        far += [1 - float(now[kind][row] @ start[kind][row]) for row in rows]
    assert step(batch)[0]["anchor"].item() == pytest.approx(sum(far) / len(far), rel=1e-9)
    weights = TuningLossRecipe(0.0, 0.0, 0.0, 0.0, clip_images="singles", anchor=1.0)
    backbone = ToyBackbone(seed=9)  # This model is the start, so the anchor loss is zero.
    gradient = StepGradient(
        Encoder(backbone),
        ClipInLoss(weights, "softmax"),
        0,
        contextlib.nullcontext,
        Encoder(start_of("softmax")),
    )
    assert gradient(batch, torch.device("cpu"))["loss"].item() == pytest.approx(0, abs=1e-12)


def same(found, expected):
    for name, term in expected[0].items():
        torch.testing.assert_close(
            found[0][name], term, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert set(expected[1]) <= set(found[1])
    for name, gradient in expected[1].items():
        torch.testing.assert_close(
            found[1][name], gradient, rtol=1e-9, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_chunks_change_nothing(family, chunk):
    same(step(batch_of(), family, chunk=chunk), step(batch_of(), family))


# The two shares have different numbers of edits and singles, and only one has prompts.
SHARES = (([0, 4, 8, 10], 1), ([1, 2, 3, 5, 6, 7, 9], 3))


def compute_share(rank, folder):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    store = distributed.FileStore(f"{folder}/store", 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    share = rows_of(batch_of(), *SHARES[rank])
    found = [
        step(
            share, family, chunk=chunk, wrap=lambda e: DistributedDataParallel(e, find_unused_parameters=True)
        )
        for family, chunk in (("softmax", 0), ("sigmoid", 2))
    ]
    torch.save(
        [(terms, {n.removeprefix("module."): g for n, g in grads.items()}) for terms, grads in found],
        f"{folder}/{rank}.pt",
    )
    distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    run_in_two_processes(compute_share, str(tmp_path))
    for rank in (0, 1):
        for found, family in zip(torch.load(tmp_path / f"{rank}.pt"), FAMILIES, strict=True):
            same(found, step(batch_of(), family))


def test_batches_contain_prompts_and_keys(tmp_path):
    """Captions count as equal if the encoder reads the same tokens: text beyond its context does not matter."""
    from dataclasses import replace

    from reader_data import Rules

    def say(row):
        number = int(row["source_caption"].split()[1])
        tail = " very" * 40 + f" {number}"
        prompt = None if number == 0 else f"paint it {number}"
        return row | {
            "source_caption": "a thing" + tail,
            "target_caption": f"thing {number}",
            "edit_prompt": prompt,
        }

    path = write_edits(tmp_path / "e.parquet", range(4), change=say)
    made = recipe(pairs=4)
    losses = replace(made.finetune.losses, difference=1.0)
    made = replace(made, finetune=replace(made.finetune, losses=losses))
    batch = Batches(made, open_sources([source("ultraedit", path)]), preprocess, Rules()).make_batch(0)
    assert len(set(batch.short_keys[:4].tolist())) == 1 and len(set(batch.short_keys[4:].tolist())) == 4
    assert batch.has_prompt.tolist() == [False] * 4 + [
        not name.endswith(":0 (target)") for name in batch.names[4:]
    ]
    rules = Rules()
    for row in range(4, 8):
        number = int(batch.names[row].removesuffix(" (target)").rpartition(":")[2])
        expected = rules.ids(f"paint it {number}" if number else "")
        assert batch.prompt[row].tolist()[: len(expected)] == expected
    plain = Batches(
        recipe(pairs=4), open_sources([source("ultraedit", path)]), preprocess, Rules()
    ).make_batch(0)
    assert plain.prompt is None and plain.has_prompt is None


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ("anchor = 1.0", "`finetune.losses.anchor` is about single images"),
        ("anchor = -1.0", "no weight in `finetune.losses` may be negative"),
        ("difference = -0.5", "no weight in `finetune.losses` may be negative"),
    ],
)
def test_invalid_loss_weights_are_refused(losses, message):
    text = f'name = "x"\ndescription = ""\n[backbone]\nname = "tiny-clip"\n[finetune.losses]\n{losses}\n'
    with pytest.raises(RecipeError, match=message):
        parse_tuning_recipe(text)
    singles = text.replace("[finetune.losses]", "[finetune]\npairs = 0\nsingles = 4\n[finetune.losses]")
    if "difference" in losses:
        with pytest.raises(RecipeError, match="is about edits"):
            parse_tuning_recipe(singles.replace("-0.5", "0.5"))
