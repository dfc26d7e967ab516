"""Both encoders: which inputs must not change the result, and which must."""

import numpy as np
import pytest
import torch
from PIL import Image

from clip_in_training.export.graph import fold_batch_norm
from clip_in_training.scratch.model.dual_encoder import DualEncoder
from clip_in_training.scratch.model.preprocess import preprocessing
from clip_in_training.scratch.recipe import DataRecipe, ImageTowerRecipe, Recipe, TextTowerRecipe
from clip_in_training.scratch.tokenizer.encode import END_ID, PAD_ID, START_ID


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    tower = ImageTowerRecipe(widths=[16, 24, 32], blocks=[1, 1, 1], fine_width=16, where_width=4)
    recipe = Recipe("tiny", "", embedding_dim=24, data=DataRecipe(image_size=64), image_tower=tower)
    return DualEncoder(recipe, 300).eval()


def ids(*tokens, tail=()):
    return torch.tensor([[START_ID, *tokens, END_ID, *tail]])


@torch.inference_mode()
def test_tokens_after_the_end_token_change_nothing(model):
    plain = model.encode_text(ids(40, 50, 60))
    for tail in ([PAD_ID] * 7, [77, 88, END_ID, 5], [END_ID]):
        assert (model.encode_text(ids(40, 50, 60, tail=tail)) - plain).abs().max() < 1e-6


@torch.inference_mode()
def test_order_and_every_token_matter(model):
    plain = model.encode_text(ids(40, 50, 60))
    for other in ((60, 50, 40), (40, 50), (40, 50, 61)):
        assert (model.encode_text(ids(*other)) - plain).abs().max() > 1e-4


@torch.inference_mode()
def test_a_learned_position_table_distinguishes_positions_and_limits_the_length():
    torch.manual_seed(0)
    recipe = Recipe("tiny", "", text_tower=TextTowerRecipe(context_length=12, positions="absolute"))
    model = DualEncoder(recipe, 300).eval()
    assert model.text_tower.positions.shape == (12, 192)
    plain = model.encode_text(ids(40, 50, 60))
    assert (model.encode_text(ids(60, 50, 40)) - plain).abs().max() > 1e-4
    assert (model.encode_text(ids(40, 50, 60, tail=[PAD_ID] * 7)) - plain).abs().max() < 1e-6
    with pytest.raises(RuntimeError):
        model.encode_text(ids(*range(10, 21)))


@torch.inference_mode()
def test_attention_is_causal(model):
    tower, seen = model.text_tower, []
    hook = tower.blocks[-1].register_forward_hook(lambda _m, _i, out: seen.append(out))
    tower(ids(40, 50, 60, 70))
    tower(ids(40, 50, 61, 70))
    hook.remove()
    torch.testing.assert_close(seen[0][:, :3], seen[1][:, :3])
    assert (seen[0][:, 3] - seen[1][:, 3]).abs().max() > 1e-4


@torch.inference_mode()
def test_a_text_longer_than_any_in_training_is_encoded(model):
    vector = model.encode_text(ids(*range(10, 210)))
    assert torch.isfinite(vector).all() and vector.norm() == pytest.approx(1, abs=1e-5)


@torch.inference_mode()
def test_images_become_unit_vectors_alone_and_in_a_batch(model):
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))
    together = model.encode_image(pixels)
    alone = torch.cat([model.encode_image(one[None]) for one in pixels])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(5))
    patches = model.encode_patches(pixels)
    assert patches.shape == (5, 16, 24)
    torch.testing.assert_close(patches.norm(dim=-1), torch.ones(5, 16))


@torch.inference_mode()
def test_folding_batch_norm_changes_nothing(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
            module.weight.uniform_(0.5, 1.5)
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    folded = fold_batch_norm(model)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    torch.testing.assert_close(model.encode_image(pixels), folded.encode_image(pixels), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (200, 100), (37, 301), (1, 1), (640, 63)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK"])
def test_preprocessing_takes_any_size_and_mode(size, mode):
    assert preprocessing(64)(Image.new(mode, size)).shape == (64, 64, 3)


def test_the_patch_order_is_reading_order():
    torch.manual_seed(0)
    recipe = Recipe("tiny", "", embedding_dim=24, data=DataRecipe(image_size=128))
    model = DualEncoder(recipe, 300).eval()
    dark = torch.zeros(1, 128, 128, 3, dtype=torch.uint8)
    lit = dark.clone()
    lit[:, 100:120, 4:20] = 255  # bottom left: row 6 of 8, first column
    with torch.inference_mode():
        change = (model.encode_patches(lit) - model.encode_patches(dark)).norm(dim=-1).view(8, 8)
    row, column = divmod(int(change.argmax()), 8)
    assert row >= 5 and column <= 2
