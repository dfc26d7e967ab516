"""The trainable parts of a backbone, adapters, groups, gradient checkpointing, and checkpoints."""

import copy

import pytest
import torch
from torch import nn

from clip_in_training.common.errors import BackboneError, CheckpointError
from clip_in_training.finetune.backbone import (
    checkpoint_activations,
    compile_towers,
    load_backbone,
    load_original,
    merged,
    parameter_groups,
    restore,
    state_of,
    trainable,
    with_rope,
)
from clip_in_training.finetune.recipe import BackboneRecipe, FinetuneRecipe, LoraRecipe, TuningOptimiserRecipe

TEXTS = ["a red mug", "two blue bolts on a plate"]
RECIPES = {
    "tiny-clip": BackboneRecipe("tiny-clip", context_length=40),
    "tiny-siglip": BackboneRecipe("tiny-siglip", context_length=16),
    "bundle": BackboneRecipe("bundle:models/demo"),
}
TABLES = ("token_embedding", "positional_embedding", "pos_embed", "cls_token", "latent")
RANK = 3
LORA = LoraRecipe(rank=RANK, alpha=6.0)
BLOCK = 12 * 64 * 64 + 13 * 64
"""Values of one of tiny-clip's blocks: attention 4, MLP 8 matrices of 64 x 64; 9 biases of 64, 4 of norms."""


@pytest.fixture(scope="module")
def loaded():
    backbones = {name: load_backbone(recipe, 1) for name, recipe in RECIPES.items()}
    return lambda name: copy.deepcopy(backbones[name])


def pixels_for(backbone, seed=0):
    size = backbone.image_rules.size
    numbers = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, size, size, 3), generator=numbers, dtype=torch.uint8)


def loss_of(backbone):
    cosines = backbone.encode_image(pixels_for(backbone)) @ backbone.encode_text(backbone.text_rules(TEXTS)).T
    logits = backbone.scale() * cosines + backbone.bias()
    labels = 2 * torch.eye(2) - 1
    return -nn.functional.logsigmoid(labels * logits).sum()


def vectors_of(backbone):
    with torch.no_grad():
        return torch.cat(
            [backbone.encode_image(pixels_for(backbone)), backbone.encode_text(backbone.text_rules(TEXTS))]
        )


def move_adapters(backbone, seed=5):
    """Moves adapters away from their start, where the second matrix is zero and they have no effect."""
    numbers = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=numbers))


def learning(backbone) -> set[str]:
    return {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("trains", "expected"),
    [
        ("text", 49408 * 64 + 2 * BLOCK + 2 * 64 + 64 * 24 + 1),
        ("last_blocks", 2 * (BLOCK + 2 * 64 + 64 * 24) + 1),
        # Per block: in 64 -> 192, out 64 -> 64, MLP 64 -> 256 -> 64.
        ("lora", 4 * RANK * (64 + 192 + 64 + 64 + 2 * (64 + 256)) + 1),
    ],
)
def test_counts(loaded, trains, expected):
    backbone = loaded("tiny-clip")
    assert trainable(backbone, FinetuneRecipe(trains=trains, last_blocks=1, lora=LORA)) == expected


@pytest.mark.parametrize("name", list(RECIPES))
@pytest.mark.parametrize("trains", ["all", "text", "last_blocks", "lora"])
def test_a_step_changes_the_trained_parameters_only(loaded, name, trains):
    backbone = loaded(name)
    recipe = FinetuneRecipe(trains=trains, last_blocks=1, lora=LORA)
    if (name, trains) == ("bundle", "lora"):
        with pytest.raises(BackboneError, match="last_blocks"):
            trainable(backbone, recipe)
        return
    count = trainable(backbone, recipe)
    assert count == sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    before, learns = state_of(backbone), learning(backbone)
    optimiser = torch.optim.AdamW(parameter_groups(backbone, TuningOptimiserRecipe(learning_rate=1e-2)))
    for _ in range(2):  # An adapter's first matrix has no gradient until its second has moved.
        optimiser.zero_grad()
        loss_of(backbone).backward()
        without = {n for n, p in backbone.named_parameters() if p.requires_grad and p.grad is None}
        assert not without
        assert all(p.grad is None for n, p in backbone.named_parameters() if n not in learns)
        optimiser.step()
    after = state_of(backbone)
    changed = {key for key in before if not torch.allclose(before[key], after[key], atol=1e-6, rtol=0)}
    assert changed == learns & before.keys()


def test_the_selected_parameters_train(loaded):
    siglip = loaded("tiny-siglip")
    trainable(siglip, FinetuneRecipe(trains="last_blocks", last_blocks=1))
    names = learning(siglip)
    assert {"clip.logit_scale", "clip.logit_bias", "clip.text.text_projection.weight"} <= names
    assert (
        "clip.visual.trunk.attn_pool.kv.weight" in names
        and "clip.visual.trunk.blocks.5.attn.qkv.weight" in names
    )
    assert not any("blocks.4" in name or "embed" in name or "resblocks.0" in name for name in names)
    trainable(siglip, FinetuneRecipe(trains="text"))
    assert not any(name.startswith("clip.visual") for name in learning(siglip))
    trainable(siglip, FinetuneRecipe(trains="all"))  # The previous stage does not matter.
    assert learning(siglip) == {name for name, _ in siglip.named_parameters()}
    trainable(siglip, FinetuneRecipe(trains="last_blocks", last_blocks=99))
    assert "clip.visual.trunk.blocks.0.attn.qkv.weight" in learning(siglip)
    trainable(siglip, FinetuneRecipe(trains="last_blocks", last_blocks=0))
    assert not any("blocks" in name for name in learning(siglip))


def test_buffers_of_a_model_stay_unchanged(loaded):
    bundle = loaded("bundle")
    trainable(bundle, FinetuneRecipe(trains="all"))
    assert {n for n, p in bundle.named_parameters() if not p.requires_grad} == {
        "model.image_tower.patch_projection.weight",
        "model.image_tower.patch_projection.bias",
    }


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-siglip"])
def test_adapters_start_at_zero_and_merge_into_the_weights(loaded, name):
    backbone = loaded(name)
    plain, keys = vectors_of(backbone), backbone.state_dict().keys()
    trainable(backbone, FinetuneRecipe(trains="lora", lora=LORA))
    torch.testing.assert_close(vectors_of(backbone), plain, atol=1e-6, rtol=0)
    move_adapters(backbone)
    moved = vectors_of(backbone)
    assert (moved - plain).abs().max() > 1e-3
    result = merged(backbone)
    torch.testing.assert_close(vectors_of(result), moved, atol=1e-5, rtol=0)
    assert result.state_dict().keys() == keys
    assert not any("lora" in type(module).__module__ for module in result.modules())
    torch.testing.assert_close(vectors_of(backbone), moved, atol=1e-6, rtol=0)  # The original is unchanged.
    assert merged(result) is result


def test_every_matrix_of_every_block_has_an_adapter(loaded):
    for name in ("tiny-clip", "tiny-siglip"):
        backbone = loaded(name)
        before = {n: v.clone() for n, v in backbone.state_dict().items()}
        trainable(backbone, FinetuneRecipe(trains="lora", lora=LORA))
        move_adapters(backbone)
        after = merged(backbone).state_dict()
        changed = {n for n in before if not torch.equal(before[n], after[n])}
        in_blocks = {n for n in before if "blocks." in n and before[n].ndim == 2}
        assert changed == in_blocks and in_blocks


def test_the_weights_under_adapters_do_not_drift(loaded):
    """peft adds an adapter to the fused weights and removes it again at each forward pass, which rounds."""
    backbone = loaded("tiny-clip")
    trainable(backbone, FinetuneRecipe(trains="lora", lora=LORA))
    move_adapters(backbone)
    before = state_of(backbone)
    with torch.no_grad():
        for _ in range(200):
            backbone.encode_text(backbone.text_rules(TEXTS[:1]))
    after = state_of(backbone)
    assert max((after[n] - before[n]).abs().max().item() for n in before) < 1e-5


def test_adapters_are_refused_where_they_cannot_work(loaded):
    backbone = loaded("tiny-clip")
    for lora, says in ((LoraRecipe(rank=0), "rank"), (LoraRecipe(dropout=0.1), "dropout")):
        with pytest.raises(BackboneError, match=says):
            trainable(backbone, FinetuneRecipe(trains="lora", lora=lora))
    trainable(backbone, FinetuneRecipe(trains="lora", lora=LORA))
    with pytest.raises(BackboneError, match="already"):
        trainable(backbone, FinetuneRecipe(trains="lora", lora=LORA))


@pytest.mark.parametrize("name", list(RECIPES))
def test_groups_hold_each_parameter_once_with_its_rate(loaded, name):
    backbone = loaded(name)
    trainable(backbone, FinetuneRecipe(trains="all"))
    rates = TuningOptimiserRecipe(
        learning_rate=1.0, weight_decay=0.3, image_learning_rate=2.0, logit_scale_learning_rate=4.0
    )
    groups = parameter_groups(backbone, rates)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in backbone.parameters() if p.requires_grad}
    of = {id(p): group for group in groups for p in group["params"]}
    for key, parameter in backbone.named_parameters():
        if not parameter.requires_grad:
            continue
        group = of[id(parameter)]
        image = ".visual." in key or ".image_tower." in key
        scale = key.endswith(("logit_scale", "logit_bias"))
        assert group["lr"] == (4.0 if scale else 2.0 if image else 1.0), key
        table = any(word in key for word in TABLES)
        assert group["weight_decay"] == (0.3 if parameter.ndim >= 2 and not table else 0.0), key


def test_groups_leave_out_frozen_parameters(loaded):
    backbone = loaded("tiny-clip")
    trainable(backbone, FinetuneRecipe(trains="text"))
    groups = parameter_groups(backbone, TuningOptimiserRecipe())
    assert [group["name"] for group in groups] == ["text", "text_no_decay", "logit_scale_no_decay"]


@pytest.mark.parametrize("name", ["tiny-clip", "tiny-siglip"])
@pytest.mark.parametrize("trains", ["all", "lora"])
def test_checkpointed_activations_give_the_same_gradients(loaded, name, trains):
    backbone = loaded(name)
    trainable(backbone, FinetuneRecipe(trains=trains, lora=LORA))
    move_adapters(backbone)
    gradients = []
    for enable in (False, True):
        checkpoint_activations(backbone, enable)
        backbone.train()
        backbone.zero_grad()
        kept = 0

        def keep(value):
            nonlocal kept
            kept += value.numel()
            return value

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            loss = loss_of(backbone)
        loss.backward()
        gradients.append(({n: p.grad for n, p in backbone.named_parameters() if p.requires_grad}, kept))
    (plain, kept_plain), (again, kept_again) = gradients
    for key, value in plain.items():
        torch.testing.assert_close(again[key], value, atol=1e-5, rtol=1e-4)
    assert kept_again < kept_plain


def test_a_recipe_can_turn_on_gradient_checkpointing():
    backbone = load_backbone(BackboneRecipe("tiny-clip", gradient_checkpointing=True), 1)
    assert (
        backbone.clip.transformer.grad_checkpointing and backbone.clip.visual.transformer.grad_checkpointing
    )


def test_compiled_towers_keep_their_names_and_vectors(loaded):
    """The model is traced, and no code is generated, so no compiler is needed."""
    backbone = loaded("tiny-clip")
    expected, names = vectors_of(backbone), backbone.state_dict().keys()
    compile_towers(backbone, backend="eager")
    torch.testing.assert_close(vectors_of(backbone), expected, atol=1e-6, rtol=0)
    assert backbone.state_dict().keys() == names


def test_autocast_stays_near_and_gives_fp32(loaded):
    backbone = loaded("tiny-clip")
    expected = vectors_of(backbone)
    with torch.autocast("cpu", torch.bfloat16):
        result = vectors_of(backbone)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, atol=0.02, rtol=0)


def test_adapters_train_on_after_an_evaluation(loaded):
    backbone = loaded("tiny-clip")
    trainable(backbone, FinetuneRecipe(trains="lora", lora=LORA))
    move_adapters(backbone)
    with torch.inference_mode():
        backbone.encode_text(backbone.text_rules(TEXTS))
    loss_of(backbone).backward()
    restore(backbone, state_of(backbone))


@pytest.mark.parametrize("trains", ["all", "lora"])
def test_a_state_survives_a_file(loaded, tmp_path, trains):
    backbone = loaded("tiny-clip")
    recipe = FinetuneRecipe(trains=trains, lora=LORA)
    trainable(backbone, recipe)
    move_adapters(backbone)
    torch.save(state_of(backbone), tmp_path / "state.pt")
    expected = vectors_of(backbone)
    with torch.no_grad():  # A state is a copy.
        backbone.clip.token_embedding.weight.zero_()
    other = load_backbone(RECIPES["tiny-clip"], 2)
    trainable(other, recipe)
    assert (vectors_of(other) - expected).abs().max() > 1e-3
    restore(other, torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(vectors_of(other), expected)
    assert merged(other).state_dict().keys() == load_backbone(RECIPES["tiny-clip"], 1).state_dict().keys()


def test_a_state_of_another_backbone_is_refused(loaded):
    rope = loaded("tiny-clip")
    teacher = load_original(BackboneRecipe("tiny-clip"), 7)
    before = vectors_of(rope)
    with pytest.raises(CheckpointError, match="positional_embedding is not known"):
        restore(rope, state_of(teacher))
    state = state_of(with_rope(teacher, 40))
    state["clip.ln_final.weight"] = torch.ones(3)
    with pytest.raises(CheckpointError, match=r"ln_final.weight is \(3,\), not \(64,\)"):
        restore(rope, state)
    assert torch.equal(vectors_of(rope), before)
