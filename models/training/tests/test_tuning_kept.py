"""Additional results of a run: measurements, the best checkpoint, numbered ones, averages, interpolated weights."""

import json

import pytest
import torch
from tuning_data import RECIPE, write_edits

from clip_in_training.common import checkpoint
from clip_in_training.common.errors import CheckpointError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.common.step_log import read_steps
from clip_in_training.export.evaluate.pairs import pair_is_right, pair_similarity
from clip_in_training.export.evaluate.retrieval import recall
from clip_in_training.finetune.backbone.interpolate import between
from clip_in_training.finetune.backbone.load import load_backbone
from clip_in_training.finetune.readers.sources import open_source
from clip_in_training.finetune.recipe import SourceRecipe, parse_tuning_recipe
from clip_in_training.finetune.stages.ema import MovingAverage
from clip_in_training.finetune.stages.finetune import finetune
from clip_in_training.finetune.stages.run import load_tuned

KEPT = """
[validation]
every = 4
records = 12
chunk = 5
[[validation.sources]]
kind = "ultraedit"
path = "{data}"
[[validation.sources]]
kind = "ultraedit"
path = "{data}"
role = "singles"
skip = 10
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    data = tmp_path_factory.mktemp("data") / "edits.parquet"
    write_edits(data)
    text = (RECIPE + KEPT).format(data=data.as_posix())
    return text.replace("pairs = 6\n", "pairs = 6\nkeep = 2\nema = 0.9\n")


@pytest.fixture(scope="module")
def run(text, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    finetune(parse_tuning_recipe(text), text, run)
    return run


def measured_by_hand(backbone, text):
    """Percent of correct pairs and R@1 in both directions, one picture and one text at a time."""
    path = parse_tuning_recipe(text).sources[0].path

    def vectors(views):
        with torch.inference_mode():
            images = [backbone.encode_image(backbone.preprocess(v.image)[None])[0] for v in views]
            texts = [backbone.encode_text(backbone.text_rules([v.short]))[0] for v in views]
        return torch.stack(images).numpy(), torch.stack(texts).numpy()

    edits = open_source(SourceRecipe("ultraedit", path, limit=12))
    images, texts = vectors(
        [view for row in range(12) for view in (edits.read(row).source, edits.read(row).target)]
    )
    pairs = 100 * pair_is_right(pair_similarity(images.reshape(12, 2, -1), texts.reshape(12, 2, -1))).mean()
    singles = open_source(SourceRecipe("ultraedit", path, skip=10, limit=12, role="singles"))
    views = {view.short: view for view in (singles.read(row).view for row in reversed(range(len(singles))))}
    images, texts = vectors(list(views.values())[::-1])
    return {
        "pairs": pairs,
        "image_to_text": recall(images, texts, 1),
        "text_to_image": recall(texts, images, 1),
    }


def test_validation_measures_the_averaged_model_and_keeps_the_best(run, text):
    lines = read_steps(run / "finetune.validation.jsonl")
    assert [line["step"] for line in lines] == [3, 7, 11, 13]
    for line in lines:
        assert line["score"] == pytest.approx(
            (line["pairs"] + line["image_to_text"] + line["text_to_image"]) / 3
        )
    by_hand = measured_by_hand(load_tuned(run), text)
    assert {key: lines[-1][key] for key in by_hand} == pytest.approx(by_hand)
    best = checkpoint.load(run / "finetune.best.pt")
    scores = [line["score"] for line in lines]
    first_best = lines[scores.index(max(scores))]
    assert best["step"] == first_best["step"] + 1 and best["best"]["score"] == max(scores)
    by_hand = measured_by_hand(load_tuned(run, "finetune.best.pt"), text)
    assert {key: first_best[key] for key in by_hand} == pytest.approx(by_hand)
    page = (run / "report.html").read_text()
    assert "Validation: right pairs, %" in page and f"best after step {best['step']}" in page


def test_the_last_numbered_checkpoints_are_kept_and_can_be_loaded(run):
    names = sorted(path.name for path in run.glob("finetune.step-*.pt"))
    assert names == ["finetune.step-000009.pt", "finetune.step-000012.pt"]
    assert checkpoint.load(run / names[0])["step"] == 9 and checkpoint.load(run / names[1])["step"] == 12
    assert checkpoint.load(run / "finetune.pt")["step"] == 14
    load_tuned(run, names[0])


def test_a_resumed_run_measures_and_averages_as_one_that_was_not_interrupted(run, text, tmp_path):
    recipe = parse_tuning_recipe(text)
    finetune(recipe, text, tmp_path, stop_at=6)
    finetune(recipe, text, tmp_path, resume=True)
    assert read_steps(tmp_path / "finetune.validation.jsonl") == read_steps(run / "finetune.validation.jsonl")
    ours, theirs = (checkpoint.load(folder / "finetune.pt") for folder in (tmp_path, run))
    assert ours["best"] == theirs["best"]
    assert ours["modules"]["average"]["steps"] == 14
    for name, value in theirs["modules"]["average"].items():
        torch.testing.assert_close(torch.as_tensor(ours["modules"]["average"][name]), torch.as_tensor(value))


def test_a_resumed_run_goes_on_from_the_margin_that_it_had(text, tmp_path):
    text = text.replace(
        "[finetune.losses]", '[finetune.losses]\nwithin_pair_short = 1.0\nwithin_pair = "margin"'
    )
    recipe, path = parse_tuning_recipe(text), tmp_path / "finetune.pt"
    finetune(recipe, text, tmp_path, stop_at=6)
    state = checkpoint.load(path)
    assert list(state["modules"]["loss"]) == ["within_pair.short.margin"]
    # What the step before left, made so large that the next step must show it.
    state["modules"]["loss"]["within_pair.short.margin"].fill_(7.5)
    checkpoint.save(path, state)
    finetune(recipe, text, tmp_path, resume=True, stop_at=9)
    costs = [step["within_pair_short"] for step in read_steps(tmp_path / "finetune.jsonl")]
    assert costs[6] == pytest.approx(7.5, abs=0.5) and max(costs[:6] + costs[7:]) < 2
    # A checkpoint of losses that remember nothing does not fit this recipe.
    state = checkpoint.load(path)
    state["modules"]["loss"] = {}
    checkpoint.save(path, state)
    with pytest.raises(CheckpointError, match=r"within_pair\.short\.margin"):
        finetune(recipe, text, tmp_path, resume=True)


def test_the_average_is_the_textbook_one():
    module = torch.nn.Linear(2, 1, bias=False).double()
    frozen = torch.nn.Parameter(torch.ones(1), requires_grad=False)
    module.register_parameter("frozen", frozen)
    average = MovingAverage(module, 0.5)
    expected = module.weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            module.weight.add_(step)
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * module.weight.detach()
    assert average.average.keys() == {"weight"}
    torch.testing.assert_close(average.average["weight"], expected)
    last = module.weight.detach().clone()
    with average.in_place():
        assert torch.equal(module.weight, average.average["weight"])
    assert torch.equal(module.weight, last)


def test_interpolating_half_way_gives_the_mean_of_both_weights(run, text):
    recipe = parse_tuning_recipe(text)
    start, trained = load_backbone(recipe.backbone, recipe.seed).eval(), load_tuned(run)
    half = between(start, trained, 0.5)
    moved = 0
    for name, value in half.state_dict().items():
        a, b = start.state_dict()[name], trained.state_dict()[name]
        if value.is_floating_point():
            torch.testing.assert_close(value, (a + b) / 2)
            moved += not torch.equal(a, b)
    assert moved > 10
    for share, expected in ((0.0, start), (1.0, trained)):
        made = between(start, trained, share).state_dict()
        for name, value in expected.state_dict().items():
            torch.testing.assert_close(made[name], value, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ema = 0.9", "ema = 1.0"), "`finetune.ema` must be from 0"),
        (("every = 4", "every = -1"), "`validation.every` must not be negative"),
        (("records = 12", "records = 0"), "`validation.records` must be at least 1"),
        (("keep = 2", "keep = -2"), "`finetune.keep` must not be negative"),
    ],
)
def test_invalid_validation_settings_are_refused(text, change, message):
    with pytest.raises(RecipeError, match=message):
        parse_tuning_recipe(text.replace(*change))
    without = text[: text.index("[[validation.sources]]")]
    with pytest.raises(RecipeError, match=r"needs \[\[validation\.sources\]\]"):
        parse_tuning_recipe(without)


def test_export_takes_the_requested_checkpoint_and_interpolation(run, tmp_path, capsys):
    from clip_in_training.cli import main

    arguments = ["export", "--recipe", str(run / "recipe.toml"), "--run", str(run), "--precisions", ""]
    half = [
        *arguments,
        "--checkpoint",
        "finetune.best.pt",
        "--towards",
        "0.5",
        "--out",
        str(tmp_path / "half"),
    ]
    assert main(half) == 0, capsys.readouterr().err
    source = json.loads((tmp_path / "half/bundle.json").read_text())["provenance"]
    step = checkpoint.load(run / "finetune.best.pt")["step"]
    assert source["weights"].startswith(f"finetune.best.pt, step {step}; 0.5 of the way from")
    assert "0.5 of the way" in (tmp_path / "half/model-card.md").read_text()
    assert main([*arguments, "--towards", "1.5", "--out", str(tmp_path / "no")]) == 1
    assert "--towards must be between 0 and 1" in capsys.readouterr().err
    assert main([*arguments, "--checkpoint", "gone.pt", "--out", str(tmp_path / "no")]) == 1
    assert "no checkpoint at" in capsys.readouterr().err and not (tmp_path / "no").exists()
