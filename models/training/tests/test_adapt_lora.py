"""`adapt --way lora`: the towers learn through fine-tuning; a killed run goes on."""

import json

import numpy as np
import pytest
from adapt_toy import write_corrections

from clip_in_training.adapt import lora
from clip_in_training.adapt.inputs import Inputs
from clip_in_training.adapt.lora_recipe import LoraSettings
from clip_in_training.adapt.pairs import PairFolder
from clip_in_training.common.errors import ExportError
from clip_in_training.export.backbone_card import published_card
from clip_in_training.export.dual_encoder import Identity, write_dual_encoder
from clip_in_training.export.files import checksums
from clip_in_training.finetune.backbone.load import load_original
from clip_in_training.finetune.recipe import BackboneRecipe
from clip_in_training.finetune.stages import finetune

SETTINGS = LoraSettings(steps=120, pairs=12, singles=4, learning_rate=0.002, anchor=0.0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A tiny CLIP of open_clip with random weights, as `export --from` writes one."""
    folder = tmp_path_factory.mktemp("lora")
    source = {"name": "tiny-clip", "pretrained": "", "seed": 1}
    identity = Identity("tiny", "random weights", {"backbone": source}, published_card, weights=False)
    backbone = load_original(BackboneRecipe("tiny-clip", positions="absolute"), 1)
    manifest = write_dual_encoder(backbone, identity, folder / "bundle")
    pairs = write_corrections(folder / "pairs", train=24, validation=12, test=6)
    return Inputs(
        PairFolder(pairs), folder / "bundle", manifest, folder / "out", None, 100.0, 1, "tuned", 1, "lora"
    )


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(lora, "REPLAYED", 1)
    monkeypatch.setattr(lora, "PROTECTED", 1)


def test_a_killed_run_goes_on_and_gives_a_bundle(inputs, monkeypatch):
    stage = finetune.finetune
    with monkeypatch.context() as patch:
        patch.setattr(finetune, "finetune", lambda *args, **named: stage(*args, **named, stop_at=40))
        patch.setattr(lora, "_curve", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lora.adapt_by_lora(inputs, SETTINGS, False)
    assert not inputs.out.exists()
    entry = lora.adapt_by_lora(inputs, SETTINGS, False)
    manifest = json.loads((inputs.out / "bundle.json").read_text())
    assert manifest["name"] == "tuned" and manifest["provenance"]["adapted"] == [entry]
    assert manifest["files"] == checksums(inputs.out)
    assert entry["way"] == "lora" and entry["strength"] > 0
    assert "right both ways" in (inputs.out / "model-card.md").read_text()
    chosen = next(point for point in entry["curve"] if point["strength"] == entry["strength"])
    assert chosen["right"] > entry["curve"][0]["right"]
    assert np.isfinite(entry["test"]["after"])


def test_a_run_of_other_inputs_is_not_continued(inputs):
    with pytest.raises(ExportError, match=r"was begun with other pairs, another bundle or other settings"):
        lora.adapt_by_lora(inputs, LoraSettings(steps=5), False)
