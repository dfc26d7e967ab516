"""A fine-tuned run as a bundle: rotary texts beyond 77 tokens, merged adapters, complete documents."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from bundle_server import TEXTS, clip_in, pictures, scores
from PIL import Image
from tuning_data import RECIPE, write_edits

from clip_in_training.cli import main
from clip_in_training.common import checkpoint
from clip_in_training.export.backbone_card import Making
from clip_in_training.export.reload import reload_backbone
from clip_in_training.export.tuned import export_tuned
from clip_in_training.finetune.backbone.load import load_backbone
from clip_in_training.finetune.recipe import BackboneRecipe, parse_tuning_recipe
from clip_in_training.finetune.stages.distil import distil
from clip_in_training.finetune.stages.finetune import finetune
from clip_in_training.finetune.stages.run import load_tuned

STAGES = """
[distil]
steps = 2
batch = 8
[finetune]
trains = "lora"
steps = 2"""
DEMO = Path(__file__).resolve().parents[2] / "demo"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of both stages with adapters, and its recipe beside it."""
    folder = tmp_path_factory.mktemp("run")
    write_edits(folder / "edits.parquet")
    text = RECIPE.format(data=(folder / "edits.parquet").as_posix()).replace(
        "[finetune]\nsteps = 14", STAGES.strip()
    )
    (folder / "own.toml").write_text(text)
    recipe = parse_tuning_recipe(text)
    assert (recipe.finetune.trains, recipe.distil.steps, recipe.finetune.steps) == ("lora", 2, 2)
    distil(recipe, text, folder / "run")
    finetune(recipe, text, folder / "run")
    return folder


@pytest.fixture(scope="module")
def bundle(run):
    assert export(run, run / "bundle", "--precisions", "int8") == 0
    return run / "bundle"


def export(folder, out, *more) -> int:
    recipe, run = str(folder / "own.toml"), str(folder / "run")
    return main(["export", "--recipe", recipe, "--run", run, "--out", str(out), *more])


def manifest(folder) -> dict:
    return json.loads((folder / "bundle.json").read_text())


def test_the_server_gives_the_trained_models_cosines(run, bundle, tmp_path):
    model = load_tuned(run / "run")
    texts = [*TEXTS, "one more word " * 37, "one more word " * 37 + "bolt"]
    lengths = [len(model.text_rules.ids(text)) for text in texts]
    assert lengths[-1] == lengths[-2] + 1 == 114, "beyond the checkpoint's 77 tokens, within the recipe's 120"
    paths = pictures(tmp_path)
    with torch.inference_mode():
        images = model.encode_image(torch.stack([model.preprocess(Image.open(path)) for path in paths]))
        expected = (images @ model.encode_text(model.text_rules(texts)).T).numpy()
    assert abs(expected[:, -1] - expected[:, -2]).max() > 1e-3
    clip_in("model", "verify", bundle)
    for path, row in zip(paths, expected, strict=True):
        np.testing.assert_allclose(scores(bundle, path, texts)["scores"], row, atol=1e-4)


def test_the_documents_record_the_training(run, bundle):
    content, card = manifest(bundle), (bundle / "model-card.md").read_text()
    source = content["provenance"]
    assert (content["name"], content["text"]["positions"], content["text"]["context_length"]) == (
        "tiny",
        "rope",
        120,
    )
    assert source["recipe"] == "own.toml" and source["recipe_text"] == (run / "own.toml").read_text()
    assert source["data_fingerprint"] == checkpoint.load(run / "run" / "finetune.pt")["data"]
    assert source["training_seconds"] > 0 and source["teacher_agreement"]["all"]["texts"] > 0
    assert [variant["precision"] for variant in content["variants"]] == ["fp32", "int8"]
    assert "trained: lora" in card and "stand in for the original one" in card


def test_the_weights_in_the_bundle_are_those_of_the_graphs(run, bundle):
    again, trained = reload_backbone(bundle, manifest(bundle)), load_tuned(run / "run")
    ids = trained.text_rules(TEXTS)
    with torch.inference_mode():
        assert torch.equal(again.encode_text(ids), trained.encode_text(ids))
    assert main(["variants", "--bundle", str(bundle), "--precisions", "fp16"]) == 0
    assert [variant["precision"] for variant in manifest(bundle)["variants"]] == ["fp32", "int8", "fp16"]


def test_an_unfinished_or_foreign_run_is_refused(run, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("bundle", "log"))
    state = checkpoint.load(folder / "run" / "finetune.pt")
    checkpoint.save(folder / "run" / "finetune.pt", {**state, "step": 1})
    assert export(folder, tmp_path / "out") == 1
    assert "stopped at step 1 of 2; run `finetune --resume`" in capsys.readouterr().err
    (folder / "own.toml").write_text((folder / "own.toml").read_text().replace("seed = 5", "seed = 6"))
    assert export(folder, tmp_path / "out") == 1
    assert "was not trained with the recipe" in capsys.readouterr().err
    (folder / "run" / "finetune.pt").unlink()
    assert (
        main(["export", "--recipe", str(folder / "run" / "recipe.toml"), "--out", str(tmp_path / "out")]) == 1
    )
    assert "finetune.pt; train first" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bundle_fine_tuned_keeps_its_patches(tmp_path):
    """Nothing is trained here, so the graphs must give the same results as the demo's."""
    text = (
        'name = "again"\ndescription = "the demo again"\n'
        f'[backbone]\nname = "bundle:{DEMO.as_posix()}"\ncontext_length = 128\n'
    )
    backbone = load_backbone(BackboneRecipe(name=f"bundle:{DEMO}", context_length=128), 1)
    making = Making("again.toml", text, "none", {"wall": 0.0, "cpu": 0.0})
    content = export_tuned(backbone, making, tmp_path / "out")
    demo = manifest(DEMO)
    for side in ("image", "text", "similarity"):
        assert content[side] == {key: demo[side][key] for key in content[side]}
    pixels = np.random.default_rng(1).integers(0, 256, (3, 128, 128, 3)).astype(np.uint8)
    new, old = (
        onnxruntime.InferenceSession(str(folder / "image.onnx")).run(None, {"pixels": pixels})
        for folder in (tmp_path / "out", DEMO)
    )
    for one, other in zip(new, old, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
