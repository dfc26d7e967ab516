"""Generate, train, interrupt, resume, export, and reject graphs that disagree: the complete process at toy size."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clip_in_training.cli import main
from clip_in_training.common.checkpoint import CheckpointError
from clip_in_training.common.errors import TrainingError
from clip_in_training.export.evaluate.graphs import Graphs
from clip_in_training.export.files import checksums
from clip_in_training.export.parity import checks, measure_parity
from clip_in_training.export.weights import ExportError, round_weights
from clip_in_training.finetune.ablation.table import tables
from clip_in_training.scratch.model import load_bundle
from clip_in_training.scratch.recipe import load_recipe
from clip_in_training.scratch.train.run import prepare, take_stage_a, train

RECIPE = """
name = "toy"
description = "A toy"
embedding_dim = 24
threads = 1
precision = "fp32"
log_every = 1
checkpoint_every = 2
[data]
directory = "{data}"
image_size = 64
train_pairs_per_category = 3
validation_pairs_per_category = 1
test_pairs_per_category = 8
test_scenes = 12
workers = 1
[tokenizer]
vocabulary_size = 400
[image_tower]
widths = [8, 12, 16]
blocks = [1, 0, 1]
fine_width = 8
value_width = 4
where_width = 2
feature_width = 24
[text_tower]
width = 24
heads = 2
hidden = 32
[stage_a]
steps = 2
batch = 8
[stage_b]
steps = 6
pairs = 4
[stage_b.losses]
clip_short = 0.5
clip_long = 0.5
hard_negative_short = 0.5
hard_negative_long = 0.5
attributes = 0.1
patches = 0.1
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy.toml").write_text(RECIPE.format(data=(folder / "data").as_posix()))
    assert main(["generate", "--recipe", str(folder / "toy.toml")]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(work):
    recipe, text = load_recipe(work / "toy.toml")
    train(recipe, text, work / "run")
    return work / "run"


@pytest.fixture(scope="module")
def bundle(work, trained):
    arguments = [
        "export",
        "--recipe",
        str(work / "toy.toml"),
        "--run",
        str(trained),
        "--out",
        str(work / "out"),
    ]
    assert main(arguments) == 0
    return work / "out"


def curve(run: Path, stage: str = "stage_b") -> list[float]:
    log = EventAccumulator(str(run / "log" / stage)).Reload()
    return [event.value for event in log.Scalars(f"{stage}/loss")]


def test_generating_again_does_nothing(work, capsys):
    stamps = {p: p.stat().st_mtime_ns for p in (work / "data").rglob("*.parquet")}
    assert main(["generate", "--recipe", str(work / "toy.toml")]) == 0
    assert "already holds" in capsys.readouterr().out
    assert stamps == {p: p.stat().st_mtime_ns for p in (work / "data").rglob("*.parquet")}


def test_an_interrupted_run_resumes_on_the_same_curve(work, trained):
    recipe, text = load_recipe(work / "toy.toml")
    train(recipe, text, work / "cut", stop_at=3)
    partial = curve(work / "cut")
    assert len(partial) == 3
    with pytest.raises(ExportError, match="stopped at step 3 of 6"):
        from clip_in_training.export.bundle import export_bundle

        export_bundle(recipe, "toy.toml", text, work / "cut", work / "never")
    assert not (work / "never").exists()
    train(recipe, text, work / "cut", resume=True)
    assert curve(work / "cut") == pytest.approx(curve(trained), rel=1e-5)
    a, b = (torch.load(run / "stage_b.pt", weights_only=True) for run in (work / "cut", trained))
    for name, value in b["modules"]["model"].items():
        torch.testing.assert_close(a["modules"]["model"][name], value, rtol=1e-4, atol=1e-5)


def test_resuming_with_another_recipe_is_refused(work, trained):
    recipe, text = load_recipe(work / "toy.toml")
    with pytest.raises(TrainingError, match="differs from the recipe"):
        train(recipe, text + "# changed", trained, resume=True)


def test_a_loss_that_is_not_a_number_stops_training(work, monkeypatch):
    recipe, text = load_recipe(work / "toy.toml")
    from clip_in_training.scratch.train import stage_a

    loss = stage_a.attribute_loss
    monkeypatch.setattr(stage_a, "attribute_loss", lambda *a: loss(*a) * float("nan"))
    with pytest.raises(TrainingError, match="not a number at step 0"):
        train(recipe, text, work / "nan")


def test_a_broken_checkpoint_is_named(work):
    recipe, text = load_recipe(work / "toy.toml")
    (work / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"broken.pt is not a readable checkpoint"):
        train(recipe, text, work / "other", start=work / "broken.pt")
    with pytest.raises(CheckpointError, match="train first"):
        train(recipe, text, work / "other", start=work / "none.pt")


def test_the_bundle_is_complete_and_agrees_with_itself(bundle):
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert manifest["files"] == checksums(bundle)
    assert {"image.onnx", "text.onnx", "tokenizer.json", "model.safetensors", "model-card.md"} <= set(
        manifest["files"]
    )
    assert manifest["provenance"]["training_cpu_seconds"] > 0
    assert set(manifest["provenance"]["benchmarks"]) == {"pairs", "retrieval", "counts"}
    assert manifest["variants"][0]["parity"]["image"]["max_abs"] <= 1e-4
    golden = json.loads((bundle / manifest["golden"]).read_text())
    model, preprocess, tokenize = load_bundle(bundle)
    graphs = Graphs(bundle / "image.onnx", bundle / "text.onnx", tokenize, threads=1)
    for entry in golden["images"]:
        pixels = preprocess(Image.open(bundle / entry["file"]))[None]
        np.testing.assert_allclose(graphs.encode_images(pixels.numpy())[0], entry["embedding"], atol=1e-4)
    for entry in golden["texts"]:
        np.testing.assert_allclose(graphs.encode_texts([entry["text"]])[0], entry["embedding"], atol=1e-4)
    for entry in json.loads((bundle / manifest["samples"]).read_text()):
        assert (bundle / entry["file"]).is_file() and len(set(entry["texts"])) >= 4
    assert model.scale().item() == pytest.approx(manifest["similarity"]["logit_scale"])


def test_a_bundle_is_trained_further_in_another_language(work, bundle):
    """Stage B alone, from both towers and the tokenizer of a bundle; the new bundle says what it began with."""
    text = RECIPE.format(data=(work / "wide").as_posix())
    text = text.replace("[tokenizer]", 'language = "wide"\n[tokenizer]')
    text = text.replace("steps = 6", "steps = 2")
    text += "[augment.robustness]\nshare = 1.0\n"
    (work / "wide.toml").write_text(text, encoding="utf-8")
    run, out = work / "further", work / "further-out"
    recipe = ["--recipe", str(work / "wide.toml")]
    assert main(["generate", *recipe]) == 0
    assert main(["train", *recipe, "--run", str(run), "--continue-from", str(bundle)]) == 0
    assert not (run / "stage_a.pt").exists()
    assert (run / "tokenizer.json").read_bytes() == (bundle / "tokenizer.json").read_bytes()

    assert main(["export", *recipe, "--run", str(run), "--out", str(out)]) == 0
    old, new = (json.loads((folder / "bundle.json").read_text()) for folder in (bundle, out))
    assert new["provenance"]["started_from"] == {
        "name": "toy",
        "recipe": "toy.toml",
        "weights": old["files"]["model.safetensors"],
        "part": "towers",
    }
    assert "began with the towers of toy" in (out / "model-card.md").read_text(encoding="utf-8")
    # Two steps of training have moved both towers a little; towers from nothing would be others altogether.
    weights = [load_file(folder / "model.safetensors") for folder in (bundle, out)]
    for tower in ("image_tower", "text_tower"):
        pairs = [(a.float(), weights[1][n].float()) for n, a in weights[0].items() if n.startswith(tower)]
        moved = sum((a - b).square().sum() for a, b in pairs) / sum(a.square().sum() for a, _ in pairs)
        assert 0 < moved < 0.1, tower


def test_a_bundle_of_another_architecture_is_not_trained_further(work, bundle):
    text = (work / "toy.toml").read_text().replace("hidden = 32", "hidden = 40")
    (work / "other.toml").write_text(text)
    recipe, text = load_recipe(work / "other.toml")
    with pytest.raises(CheckpointError, match="another architecture"):
        train(recipe, text, work / "other-run", continued=bundle)


def test_patch_output_and_dynamic_axes(bundle):
    model, _, tokenize = load_bundle(bundle)
    graphs = Graphs(bundle / "image.onnx", bundle / "text.onnx", tokenize, threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    (patches,) = graphs.image.run(["patch_embeddings"], {"pixels": pixels})
    with torch.inference_mode():
        np.testing.assert_allclose(patches, model.encode_patches(torch.from_numpy(pixels)).numpy(), atol=1e-4)
    for length in (2, 5, 96, 130):
        ids = np.full((2, length), 9, dtype=np.int64)
        ids[:, -1] = 2
        (vectors,) = graphs.text.run(["embedding"], {"token_ids": ids})
        with torch.inference_mode():
            np.testing.assert_allclose(vectors, model.encode_text(torch.from_numpy(ids)).numpy(), atol=1e-4)


def test_weights_survive_storing(bundle, trained):
    stored = load_file(bundle / "model.safetensors")
    final = torch.load(trained / "stage_b.pt", weights_only=True)["modules"]["model"]
    for name, value in round_weights(final).items():
        assert (stored[name].to(value.dtype) == value).all(), name
        assert stored[name].dtype == (torch.float16 if value.ndim >= 2 else value.dtype)


def test_graphs_that_disagree_are_refused(bundle):
    model, _, tokenize = load_bundle(bundle)
    graphs = Graphs(bundle / "image.onnx", bundle / "text.onnx", tokenize, threads=1)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    measure_parity(checks(model, tokenize, pixels, ["a red mug"]), graphs)
    with torch.no_grad():
        model.image_tower.projection.bias[0] += 0.05
    with pytest.raises(ExportError, match=r"image\.onnx disagrees with PyTorch"):
        measure_parity(checks(model, tokenize, pixels, ["a red mug"]), graphs)


def test_a_refused_export_leaves_the_old_bundle(work, trained, bundle, monkeypatch, capsys):
    before = checksums(bundle)
    monkeypatch.setattr("clip_in_training.export.parity.LIMIT", -1.0)
    arguments = ["export", "--recipe", str(work / "toy.toml"), "--run", str(trained), "--out", str(bundle)]
    assert main(arguments) == 1
    assert "disagrees with PyTorch" in capsys.readouterr().err
    assert checksums(bundle) == before and not bundle.with_name("out.partial").exists()


def test_evaluate_prints_the_benchmarks_of_the_manifest(work, bundle, capsys):
    assert main(["evaluate", "--recipe", str(work / "toy.toml"), "--bundle", str(bundle), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert printed["pairs"] == pytest.approx(manifest["provenance"]["benchmarks"]["pairs"])


ABLATION = """
name = "toy-ablation"
description = "y"
workers = 0
[backbone]
name = "bundle:{bundle}"
context_length = 140
[[sources]]
kind = "ultraedit"
path = "{data}/train"
[[sources]]
kind = "ultraedit"
path = "{data}/train"
role = "singles"
[distil]
steps = 1
batch = 2
[finetune]
steps = 2
pairs = 2
singles = 2
[finetune.losses]
clip_images = "singles"
[ablation."plain CLIP"]
finetune.pairs = 0
finetune.singles = 4
finetune.losses.clip_long = 0.0
finetune.losses.hard_negative_short = 0.0
[ablation."all"]
finetune.losses.clip_long = 1.0
"""


@pytest.mark.slow_training
def test_an_ablation_runs_the_missing_variants_and_writes_a_table(work, bundle, capsys):
    recipe, run = work / "ablation.toml", work / "ablation"
    recipe.write_text(ABLATION.format(bundle=bundle, data=load_recipe(work / "toy.toml")[0].data.directory))
    command = [
        "ablation",
        "--recipe",
        str(recipe),
        "--run",
        str(run),
        "--seeds",
        "3",
        "--set",
        "finetune.steps=3",
    ]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "| plain CLIP |" in printed and "| all |" in printed and "| (start) |" in printed
    assert "3 steps each" in printed
    plain, every = run / "seed-3" / "plain-clip", run / "seed-3" / "all"
    shared = (run / "seed-3" / "stage-1" / "distil.json").read_bytes()
    assert (plain / "distil.json").read_bytes() == (every / "distil.json").read_bytes() == shared
    assert "seed = 3" in (plain / "recipe.toml").read_text()
    terms = [
        set(json.loads(f.read_text().splitlines()[0]))
        for f in (plain / "finetune.jsonl", every / "finetune.jsonl")
    ]
    assert "hard_negative_short" in terms[1] - terms[0] and "clip_long" in terms[1] - terms[0]
    # Finished work is not repeated.
    (plain / "finetune.pt").unlink()
    (every / "result.json").unlink()
    assert main(command) == 0
    assert not (plain / "finetune.pt").exists() and (every / "result.json").exists()


def test_a_table_has_means_and_deviations_over_seeds():
    def result(value):
        measures = {"image to text R@1": value, "text to image R@1": value}
        named = {"retrieval_short": measures, "retrieval_long": measures, "pairs_long": {"mean": value}}
        return {"pairs": {"color": value, "mean": value}, "counts": {"pairs": 9, "scenes": 5}, **named}

    runs = [result(value) | {"core_minutes": 1.0} for value in (40.0, 50.0, 60.0)]
    text = tables(result(20.0), {"x": runs}, [1, 2, 3], 7)
    assert "| x | 50.0 ± 10.0 |" in text and "| (start) | 20.0 |" in text and "3 core-minutes" in text


def test_training_can_start_from_the_image_tower_of_a_bundle(work, bundle):
    recipe, text = load_recipe(work / "toy.toml")
    training = prepare(recipe, text, work / "from-bundle", resume=False)
    before = {name: value.clone() for name, value in training.model.text_tower.state_dict().items()}
    take_stage_a(training, bundle)
    lent, _, _ = load_bundle(bundle)
    for name, value in lent.image_tower.state_dict().items():
        assert torch.equal(training.model.image_tower.state_dict()[name], value), name
    for name, value in training.model.text_tower.state_dict().items():
        assert torch.equal(before[name], value), name


def test_errors_are_one_line(work, capsys):
    assert main(["train", "--recipe", str(work / "none.toml")]) == 1
    assert capsys.readouterr().err.startswith("error: cannot read the recipe")
    assert main(["export", "--recipe", str(work / "toy.toml"), "--run", "nowhere", "--out", "x"]) == 1
    assert "train first" in capsys.readouterr().err
