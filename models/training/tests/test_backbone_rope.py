"""Text encoders with rotary positions, and with a stretched table."""

import json

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from test_backbone_tokenizers import unigram
from torch.nn import functional
from transformers import LlamaConfig, RobertaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from clip_in_training.common.errors import BackboneError
from clip_in_training.finetune.backbone import load_backbone, load_original, with_rope
from clip_in_training.finetune.backbone.rope import RotaryAttention
from clip_in_training.finetune.backbone.stretch import stretched
from clip_in_training.finetune.recipe import BackboneRecipe
from clip_in_training.scratch.model.rope import rotate

SHORT = ["a red mug", "two blue bolts on a plate"]
LONG = ["a red mug " * 60 + "and a spoon", "a blue mug " * 90]


@pytest.fixture(scope="module")
def teacher():
    return load_original(BackboneRecipe("tiny-clip"), 1)


@pytest.fixture(scope="module")
def student(teacher):
    return with_rope(teacher, 248)


def by_complex_numbers(attention: RotaryAttention, states: torch.Tensor, causal: bool) -> torch.Tensor:
    """Computed from the formula: pair (i, i + half) is a complex number turned by position / 10000^(2i/width)."""
    heads, width = attention.num_heads, attention.head_dim
    batch, length, _ = states.shape
    projected = states.double() @ attention.in_proj_weight.double().T + attention.in_proj_bias.double()
    query, key, value = (
        part.reshape(batch, length, heads, width).transpose(1, 2) for part in projected.chunk(3, dim=-1)
    )
    place = torch.arange(length, dtype=torch.float64)[:, None]
    speed = 10000.0 ** (-2 * torch.arange(width // 2, dtype=torch.float64) / width)
    turn = torch.polar(torch.ones(length, width // 2, dtype=torch.float64), place * speed)
    query, key = (torch.complex(p[..., : width // 2], p[..., width // 2 :]) * turn for p in (query, key))
    scores = (query @ key.conj().transpose(-1, -2)).real / width**0.5
    if causal:
        scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
    mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(batch, length, heads * width)
    return mixed @ attention.out_proj.weight.double().T + attention.out_proj.bias.double()


@pytest.mark.parametrize("causal", [True, False])
def test_attention_equals_an_implementation_with_complex_numbers(student, causal):
    attention = student.clip.transformer.resblocks[1].attn
    torch.nn.init.normal_(attention.in_proj_bias, std=0.1)
    states = torch.randn(2, 60, 64, generator=torch.Generator().manual_seed(0))
    mask = student.clip.attn_mask[:60, :60] if causal else None
    with torch.no_grad():
        result, _ = attention(states, states, states, need_weights=False, attn_mask=mask)
        expected = by_complex_numbers(attention, states, causal)
    torch.testing.assert_close(result, expected.float(), atol=1e-5, rtol=1e-5)


def test_rotation_equals_that_of_transformers(student):
    attention = student.clip.transformer.resblocks[0].attn
    config = LlamaConfig(
        hidden_size=64, num_attention_heads=2, rope_theta=10000.0, max_position_embeddings=248
    )
    numbers = torch.Generator().manual_seed(1)
    query, key = (torch.randn(3, 2, 248, 32, generator=numbers) for _ in range(2))
    cos, sin = LlamaRotaryEmbedding(config)(query, torch.arange(248)[None])
    expected = apply_rotary_pos_emb(query, key, cos, sin)
    result = (rotate(query, attention.cos, attention.sin), rotate(key, attention.cos, attention.sin))
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


def test_scores_depend_on_the_distance_alone(student):
    attention = student.clip.transformer.resblocks[0].attn
    numbers = torch.Generator().manual_seed(2)
    query, key = (torch.randn(1, 32, generator=numbers).expand(248, 32) for _ in range(2))
    scores = rotate(query, attention.cos, attention.sin) @ rotate(key, attention.cos, attention.sin).T
    for distance in (-100, -1, 0, 1, 7, 200):
        diagonal = scores.diagonal(distance)
        assert (diagonal - diagonal[0]).abs().max() < 1e-3
    assert (scores[0] - scores[0, 0]).abs().max() > 0.1


def test_the_weights_are_the_teachers_without_its_table(teacher, student):
    ours, theirs = student.state_dict(), teacher.state_dict()
    assert theirs.keys() - ours.keys() == {"clip.positional_embedding"} and not ours.keys() - theirs.keys()
    changed = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert changed <= {"clip.transformer.resblocks.1.attn.in_proj_bias"}  # by the first test
    assert (teacher.positions, student.positions) == ("absolute", "rope")
    assert (teacher.text_rules.context_length, student.text_rules.context_length) == (77, 248)
    assert isinstance(teacher.clip.positional_embedding, torch.nn.Parameter)
    assert not {id(p) for p in teacher.parameters()} & {id(p) for p in student.parameters()}
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(teacher.encode_image(pixels), student.encode_image(pixels))


def test_any_length_up_to_the_context(student):
    with torch.no_grad():
        vectors = [student.encode_text(student.text_rules([text]))[0] for text in [*SHORT, *LONG]]
        together = student.encode_text(student.text_rules([*SHORT, *LONG]))
    assert student.text_rules([*SHORT, *LONG]).shape == (4, 248)
    torch.testing.assert_close(torch.stack(vectors), together, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(4))


@pytest.mark.parametrize("positions", ["rope", "absolute"])
def test_tokens_after_the_end_token_change_nothing(positions):
    backbone = load_backbone(BackboneRecipe("tiny-clip", positions=positions, context_length=100), 1)
    ids = backbone.text_rules(SHORT)
    tail = torch.randint(1, 49000, (2, 100 - ids.shape[1]), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = backbone.encode_text(ids)
        torch.testing.assert_close(
            backbone.encode_text(torch.cat([ids, tail], 1)), expected, atol=1e-6, rtol=0
        )
        ids[0, 2] += 1
        assert (backbone.encode_text(ids) - expected)[0].abs().max() > 1e-4


def test_the_order_of_words_matters(student):
    with torch.no_grad():
        one, other = student.encode_text(student.text_rules(["a dog on a cat", "a cat on a dog"]))
    assert (one - other).abs().max() > 1e-4


def test_every_weight_of_the_text_encoder_gets_a_gradient(student):
    student.zero_grad()
    target = functional.normalize(torch.randn(4, 24, generator=torch.Generator().manual_seed(4)), dim=-1)
    (1 - (student.encode_text(student.text_rules([*SHORT, *LONG])) * target).sum(-1)).mean().backward()
    names = ("clip.transformer", "clip.token_embedding", "clip.ln_final", "clip.text_projection")
    for name, parameter in student.named_parameters():
        if name.startswith(names):
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
    # Without rotation, a bias of keys shifts all scores of a row equally. With rotation it has an effect.
    assert student.clip.transformer.resblocks[0].attn.in_proj_bias.grad[64:128].abs().max() > 0
    student.zero_grad()


def test_a_siglip_encoder_attends_to_all_tokens_and_pools_the_last():
    teacher = load_original(BackboneRecipe("tiny-siglip"), 1)
    student = with_rope(teacher, 40)
    ids = student.text_rules(SHORT)
    assert ids.shape == (2, 40) and student.text_rules.pad_to == "context_length"
    seen = []
    student.clip.text.ln_final.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    states = []
    student.clip.text.transformer.register_forward_hook(lambda _, __, output: states.append(output))
    with torch.no_grad():
        before = student.encode_text(ids)
        ids[:, 39] = 7
        after = student.encode_text(ids)
    assert torch.equal(seen[0], states[0][:, -1])
    assert (before - after).abs().max() > 1e-4
    block = student.clip.text.transformer.resblocks[0]
    hidden = torch.randn(1, 40, 64)
    with torch.no_grad():
        result, _ = block.attn(hidden, hidden, hidden, need_weights=False, attn_mask=None)
        expected = by_complex_numbers(block.attn, hidden, causal=False)
    torch.testing.assert_close(result, expected.float(), atol=1e-5, rtol=1e-5)


def test_a_text_encoder_of_transformers_is_used_unchanged_or_refused(tmp_path):
    config = open_clip.get_model_config("tiny-clip")
    RobertaConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    ).save_pretrained(tmp_path)
    config["text_cfg"] = {
        "hf_model_name": str(tmp_path),
        "hf_tokenizer_name": "x",
        "hf_pooler_type": "mean_pooler",
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    unigram().save_pretrained(tmp_path)
    model = open_clip.CustomTextCLIP(
        **config | {"text_cfg": config["text_cfg"] | {"hf_model_pretrained": False}}
    )
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    recipe = BackboneRecipe(f"local-dir:{tmp_path}", positions="absolute", context_length=77)
    backbone = load_backbone(recipe, 1)
    assert backbone.encode_text(backbone.text_rules(SHORT)).shape == (2, 24)
    with pytest.raises(BackboneError, match="transformers"):
        load_backbone(BackboneRecipe(recipe.name), 1)


def test_other_attention_is_refused():
    config = open_clip.get_model_config("tiny-clip")
    config["text_cfg"]["qk_norm"] = True
    teacher = load_original(BackboneRecipe("tiny-clip"), 1)
    teacher.clip = open_clip.CLIP(**config)
    with pytest.raises(BackboneError, match="absolute"):
        with_rope(teacher, 248)
    with pytest.raises(BackboneError, match="absolute positions"):
        with_rope(with_rope(load_original(BackboneRecipe("tiny-clip"), 1), 100), 248)


def test_the_stretched_table_equals_that_of_long_clip():
    table = torch.randn(77, 5, generator=torch.Generator().manual_seed(5))
    expected = [table[position] for position in range(20)]
    for position in range(20, 77):  # four rows for each known row
        left = min(position, 75)
        for quarter in range(4):
            share = quarter / 4 + (position - left)
            expected.append(table[left] + share * (table[left + 1] - table[left]))
    torch.testing.assert_close(stretched(table, 248), torch.stack(expected), atol=1e-5, rtol=1e-5)
    line = torch.arange(77.0)[:, None]
    assert torch.equal(stretched(line, 77), line)
    assert torch.equal(stretched(line, 150)[:20], line[:20])
    assert (stretched(line, 150).diff(dim=0) > 0).all()


def test_short_texts_are_the_same_on_a_stretched_table(teacher):
    stretched_one = load_backbone(BackboneRecipe("tiny-clip", positions="absolute", context_length=248), 1)
    assert stretched_one.positions == "absolute" and stretched_one.text_rules(LONG).shape == (2, 248)
    with torch.no_grad():
        for backbone in (teacher, stretched_one):
            assert backbone.text_rules(SHORT).shape[1] <= 20
        expected = teacher.encode_text(teacher.text_rules(SHORT))
        torch.testing.assert_close(stretched_one.encode_text(stretched_one.text_rules(SHORT)), expected)
        vectors = stretched_one.encode_text(stretched_one.text_rules(LONG))
    assert vectors.isfinite().all()
    assert teacher.clip.positional_embedding.shape[0] == 77


def test_a_shorter_context_cuts_texts_or_is_refused():
    short = load_backbone(BackboneRecipe("tiny-clip", positions="absolute", context_length=10), 1)
    assert short.text_rules(LONG).shape == (2, 10)
    assert short.encode_text(short.text_rules(LONG)).shape == (2, 24)
    with pytest.raises(BackboneError, match="must not be smaller"):
        load_backbone(BackboneRecipe("tiny-siglip", positions="absolute", context_length=10), 1)
