"""Both stages on the tiny model: their results, and the effect of a kill, a full disk or bad numbers on a run."""

import json
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tuning_data import RECIPE, write_edits

from clip_in_training.cli import main
from clip_in_training.common import checkpoint
from clip_in_training.common.errors import CheckpointError, TrainingError
from clip_in_training.common.recipe import RecipeError
from clip_in_training.common.step_log import StepLog, read_steps
from clip_in_training.finetune.backbone.load import load_backbone
from clip_in_training.finetune.backbone.open_clip_backbone import OpenClipBackbone
from clip_in_training.finetune.recipe import parse_tuning_recipe
from clip_in_training.finetune.stages.distil import distil
from clip_in_training.finetune.stages.finetune import finetune
from clip_in_training.finetune.stages.run import load_tuned
from clip_in_training.finetune.variant import changed, settings, to_toml, variant

HERE = Path(__file__).parent
STEPS = 14
TERMS = ("clip_short", "clip_long", "hard_negative_short", "hard_negative_long")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    data = tmp_path_factory.mktemp("data") / "edits.parquet"
    write_edits(data)
    return RECIPE.format(data=data.as_posix())


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory):
    """An uninterrupted run of stage 2."""
    run = tmp_path_factory.mktemp("whole")
    finetune(parse_tuning_recipe(text), text, run)
    return run


def start(arguments, command=(sys.executable,), **options):
    """Starts the command line in a separate process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, str(HERE / "tuning_process.py"), *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def finish(process):
    said, _ = process.communicate(timeout=300)
    return process.returncode, said


def losses(run, stage="finetune"):
    return [(entry["step"], entry["loss"]) for entry in read_steps(run / f"{stage}.jsonl")]


def same_curve(run, expected, tolerance=1e-5):
    found = losses(run)
    assert [step for step, _ in found] == [step for step, _ in expected]
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in expected], rel=tolerance)


def same_weights(run, expected, tolerance=1e-6):
    ours, theirs = (checkpoint.load(r / "finetune.pt")["modules"]["backbone"] for r in (run, expected))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(
            ours[name], weight, rtol=1e-4, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_both_stages_from_the_command_line(text, tmp_path, capsys):
    path, run = tmp_path / "both.toml", tmp_path / "run"
    path.write_text(text.replace("[finetune]\n", "[distil]\nsteps = 25\nbatch = 16\n[finetune]\n"))
    assert main(["finetune", "--recipe", str(path), "--run", str(run)]) == 1
    assert "run `distil` first" in capsys.readouterr().err
    for stage in ("distil", "finetune"):
        assert main([stage, "--recipe", str(path), "--run", str(run)]) == 0, capsys.readouterr().err
    distilled = json.loads((run / "distil.json").read_text())
    before, after = distilled["agreement"]["before"], distilled["agreement"]["after"]
    assert after["all"]["mean"] > before["all"]["mean"] + 0.02
    assert set(after["by_length"]) == set(before["by_length"]) and len(after["by_length"]) >= 2
    assert distilled["longer_context"]["captions"] > 0
    started, ended = (checkpoint.load(run / f"{name}.pt") for name in ("distil", "finetune"))
    image = next(name for name in started["modules"]["backbone"] if "visual" in name and "weight" in name)
    untouched = load_backbone(parse_tuning_recipe(text).backbone, 5).state_dict()[image]
    assert torch.equal(
        started["modules"]["backbone"][image], untouched
    )  # Stage 1 trains the text encoder alone.
    assert ended["step"] == ended["steps"] == STEPS and len(ended["data"]) == 64
    curves = EventAccumulator(str(run / "log" / "finetune")).Reload()
    assert {"finetune/loss", "finetune/hard_negative_long", "finetune/gradient_norm"} <= set(
        curves.Tags()["scalars"]
    )
    page = (run / "report.html").read_text()
    assert not re.search(r"(src|href)=|url\(|https?://", page)
    for said in (
        "L_HN, short captions",
        "Agreement with the original",
        "What longer contexts add",
        "edits.parquet",
    ):
        assert said in page
    assert page.count("<svg") >= 10
    backbone = load_tuned(run)
    assert not backbone.training
    for name, weight in backbone.state_dict().items():
        torch.testing.assert_close(weight, ended["modules"]["backbone"][name])


def test_a_kill_at_any_step_changes_nothing(text, whole, tmp_path):
    path, run = tmp_path / "tiny.toml", tmp_path / "run"
    path.write_text(text)
    # Steps are slow enough for a kill; the step of the kill is random in each test run.
    at = random.SystemRandom().randrange(4, STEPS - 1)
    process = start(["finetune", "--recipe", path, "--run", run])
    give_up = time.monotonic() + 200
    while len(losses(run)) < at and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before the kill"
    reached = checkpoint.load(run / "finetune.pt")["step"]
    assert 3 <= reached < STEPS, (at, reached)
    assert main(["finetune", "--recipe", str(path), "--run", str(run), "--resume"]) == 0
    same_curve(run, losses(whole))
    same_weights(run, whole)


def test_another_recipe_does_not_resume_a_run(text, whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    other = text.replace("seed = 5", "seed = 6")
    with pytest.raises(TrainingError, match="differs from the recipe given"):
        finetune(parse_tuning_recipe(other), other, run, resume=True)
    longer = text.replace("steps = 14", "steps = 15")
    (run / "recipe.toml").write_text(longer)
    with pytest.raises(CheckpointError, match="14 steps, not 15"):
        finetune(parse_tuning_recipe(longer), longer, run, resume=True)
    (run / "recipe.toml").write_text(text)
    path = Path(parse_tuning_recipe(text).sources[0].path)
    kept = path.read_bytes()
    try:
        write_edits(path, rows=40)
        with pytest.raises(CheckpointError, match="the data differs from the data that"):
            finetune(parse_tuning_recipe(text), text, run, resume=True)
    finally:
        path.write_bytes(kept)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({f"finetune.losses.{name}": 0.0 for name in TERMS}, "every weight is 0"),
        ({"finetune.losses.clip_short": -1.0}, "may be negative"),
        ({"finetune.pairs": 0}, "a step has no images"),
        ({"finetune.chunk": -1}, "`finetune.chunk` must not be negative"),
        ({"checkpoint_every": 0}, "`checkpoint_every` must be at least 1"),
        (
            {"finetune.pairs": 0, "finetune.singles": 2, "finetune.losses.clip_short": 0.0}
            | {"finetune.losses.clip_long": 0.0},
            "hard negatives need `finetune.pairs`",
        ),
    ],
)
def test_recipes_without_training_are_refused(text, keys, said):
    with pytest.raises(RecipeError, match=said):
        changed(parse_tuning_recipe(text), keys)


def test_a_full_disk_leaves_the_previous_checkpoint(text, tmp_path):
    path, run = tmp_path / "tiny.toml", tmp_path / "run"
    path.write_text(text)
    finetune(parse_tuning_recipe(text), text, run, stop_at=3)
    good = (run / "finetune.pt").read_bytes()
    size = len(good) // 2

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    code, said = finish(
        start(["finetune", "--recipe", path, "--run", run, "--resume"], preexec_fn=little_room)
    )
    assert code == 1
    assert "finetune.pt" in said and "the checkpoint before it is intact" in said, said
    assert "Traceback" not in said
    assert (run / "finetune.pt").read_bytes() == good
    assert not list(run.glob("*.partial"))
    finetune(parse_tuning_recipe(text), text, run, resume=True)
    assert checkpoint.load(run / "finetune.pt")["step"] == STEPS


def test_a_loss_that_is_no_number_stops_and_names_the_image(text, whole, tmp_path, monkeypatch):
    encode, calls = OpenClipBackbone.encode_image, []

    def encode_image(self, pixels):
        vectors = encode(self, pixels)
        calls.append(len(pixels))
        if sum(calls) > 12 * 4:  # The fifth step.
            vectors = vectors + torch.tensor([math.nan if row == 7 else 0.0 for row in range(12)]).unsqueeze(
                1
            )
        return vectors

    monkeypatch.setattr(OpenClipBackbone, "encode_image", encode_image)
    with pytest.raises(
        TrainingError, match=r"loss of finetune is not a number at step 4, because of .*target"
    ):
        finetune(parse_tuning_recipe(text), text, tmp_path)
    said = json.loads((tmp_path / "bad_batch.finetune.0.json").read_text())
    assert said["step"] == 4 and said["guilty"] == [said["batch"][7]] and len(said["batch"]) == 12
    state = checkpoint.load(tmp_path / "finetune.pt")
    assert state["step"] == 3
    assert all(torch.isfinite(weight).all() for weight in state["modules"]["backbone"].values())
    monkeypatch.undo()
    finetune(parse_tuning_recipe(text), text, tmp_path, resume=True)
    same_curve(tmp_path, losses(whole))


def test_a_gradient_that_is_no_number_stops_before_the_weights(text, tmp_path, monkeypatch):
    encode = OpenClipBackbone.encode_text

    def encode_text(self, ids):
        vectors = encode(self, ids)
        if vectors.requires_grad:
            vectors.register_hook(lambda gradient: gradient * math.inf)
        return vectors

    monkeypatch.setattr(OpenClipBackbone, "encode_text", encode_text)
    with pytest.raises(
        TrainingError, match="gradient of finetune is not a number at step 0, in the batch of"
    ):
        finetune(parse_tuning_recipe(text), text, tmp_path)
    assert not (tmp_path / "finetune.pt").exists()


@pytest.mark.parametrize("change", ["finetune.chunk=5", "backbone.gradient_checkpointing=true", "workers=1"])
def test_settings_for_memory_or_speed_change_no_loss(text, whole, tmp_path, change):
    recipe = changed(parse_tuning_recipe(text), settings([change]))
    finetune(recipe, to_toml(recipe), tmp_path)
    same_curve(tmp_path, losses(whole), 1e-4)


@pytest.mark.slow_training
def test_two_processes_repeat_the_curve_of_one(text, whole, tmp_path):
    path, run = tmp_path / "tiny.toml", tmp_path / "run"
    path.write_text(text)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--"]
    code, said = finish(start(["finetune", "--recipe", path, "--run", run], command))
    assert code == 0, said
    same_curve(run, losses(whole), 1e-3)
    assert json.loads((run / "finetune.json").read_text())["world"] == 2


@pytest.mark.parametrize("trains", ["text", "last_blocks", "lora"])
def test_only_the_trained_parameters_change(text, tmp_path, trains):
    recipe = changed(
        parse_tuning_recipe(text),
        {"finetune.trains": trains, "finetune.last_blocks": 1, "finetune.steps": 3, "finetune.chunk": 8},
    )
    finetune(recipe, to_toml(recipe), tmp_path)
    start, tuned = load_backbone(recipe.backbone, recipe.seed), load_tuned(tmp_path)
    before, after = start.state_dict(), tuned.state_dict()
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("transformer.resblocks.1" in name and "visual" not in name for name in moved)
    visual = {name for name in moved if "visual" in name}
    assert bool(visual) == (trains != "text")
    if trains == "last_blocks":
        assert not any("resblocks.0" in name or "conv1" in name for name in moved)
    if trains == "lora":
        assert not any("ln_" in name or "embedding" in name for name in moved)
    summary = json.loads((tmp_path / "finetune.json").read_text())["parameters"]
    assert 0 < summary["trained"] < summary["all"]


def test_broken_records_are_in_the_run_folder(text, tmp_path):
    data = tmp_path / "broken.parquet"
    write_edits(data, broken=(2, 9, 40))
    sources = [{"kind": "ultraedit", "path": str(data)}]
    recipe = changed(parse_tuning_recipe(text), {"finetune.steps": 11, "sources": sources})
    finetune(recipe, to_toml(recipe), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "broken.jsonl").read_text().splitlines()]
    rows = {line["replaced"]["row"].split()[0] for line in lines if "replaced" in line}
    assert rows == {"2", "9", "40"}
    summary = json.loads((tmp_path / "run" / "finetune.json").read_text())
    assert summary["data"]["reading"]["broken"] >= 3
    assert "does not decode" in (tmp_path / "run" / "report.html").read_text()


def test_a_step_log_drops_steps_that_will_be_repeated(tmp_path):
    path = tmp_path / "steps.jsonl"
    with closing(StepLog(path, 0)) as log:
        for step in range(5):
            log.add(step, {"loss": 1.0})
    with path.open("a") as file:
        file.write('{"step": 5, "lo')  # A kill in the middle of a line.
    with closing(StepLog(path, 3)) as log:
        log.add(3, {"loss": 2.0})
    assert [(e["step"], e["loss"]) for e in read_steps(path)] == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.0)]


def test_a_written_recipe_reads_back_the_same(text):
    more = text + '[ablation.plain]\nfinetune.losses.hard_negative_short = 0\nname = "say \\"x\\""\n'
    more += '[ablation.text]\n[ablation.text.finetune]\ntrains = "text"\n'
    recipe = parse_tuning_recipe(more)
    assert parse_tuning_recipe(to_toml(recipe)) == recipe
    plain = variant(recipe, "plain")
    assert plain.finetune.losses.hard_negative_short == 0 and plain.finetune.losses.clip_short == 1
    assert variant(recipe, "text").finetune.trains == "text"
    with pytest.raises(RecipeError, match=r"no variant 'other'.*plain, text"):
        variant(recipe, "other")
    with pytest.raises(RecipeError, match=r"finetune\.loss` is no key"):
        changed(recipe, {"finetune.loss": 1})
    with pytest.raises(RecipeError, match=r"finetune\.trains` must be one of"):
        changed(recipe, {"finetune.trains": "nothing"})
    assert settings(["a.b=1.5", "c=text", "d=true"]) == {"a.b": 1.5, "c": "text", "d": True}


def test_recipes_of_the_other_kind_are_refused(text, tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    assert main(["train", "--recipe", str(path)]) == 1
    assert "see `distil` and `finetune`" in capsys.readouterr().err
    assert main(["distil", "--recipe", str(path), "--run", str(tmp_path / "run")]) == 1
    assert "`distil.steps` is 0" in capsys.readouterr().err
    path.write_text('name = "x"\ndescription = "y"\n')
    assert main(["finetune", "--recipe", str(path)]) == 1
    assert "no [backbone]" in capsys.readouterr().err


def test_a_sigmoid_backbone_trains_in_both_stages(text, tmp_path):
    more = text.replace('"tiny-clip"', '"tiny-siglip"').replace(
        "[finetune]\n", "[distil]\nsteps = 5\nbatch = 8\n[finetune]\n"
    )
    recipe = changed(parse_tuning_recipe(more), {"finetune.steps": 4, "finetune.chunk": 5})
    distil(recipe, to_toml(recipe), tmp_path, stop_at=3)
    with pytest.raises(TrainingError, match="at step 3 of 5"):
        finetune(recipe, to_toml(recipe), tmp_path)
    distil(recipe, to_toml(recipe), tmp_path, resume=True)
    assert [step for step, _ in losses(tmp_path, "distil")] == list(range(5))
    finetune(recipe, to_toml(recipe), tmp_path)
    tuned = load_tuned(tmp_path)
    assert tuned.family == "sigmoid" and tuned.positions == "rope"
    biases = [load_backbone(recipe.backbone, 5).bias().item(), tuned.bias().item()]
    assert biases[0] != biases[1]


def test_runs_share_one_distillation(text, tmp_path):
    more = text.replace("[finetune]\n", "[distil]\nsteps = 4\nbatch = 8\n[finetune]\n")
    recipe = parse_tuning_recipe(more)
    distil(recipe, more, tmp_path / "base")
    start_from = tmp_path / "base" / "distil.pt"
    other = changed(recipe, {"finetune.losses.clip_long": 0.0, "finetune.steps": 1, "finetune.pairs": 2})
    with pytest.raises(TrainingError, match="run `distil` first"):
        finetune(other, to_toml(other), tmp_path / "other")
    finetune(other, to_toml(other), tmp_path / "other", start_from=start_from)
    assert "Agreement with the original" in (tmp_path / "other" / "report.html").read_text()
    position = "clip.transformer.resblocks.0.attn.in_proj_weight"
    states = [
        checkpoint.load(p)["modules"]["backbone"] for p in (start_from, tmp_path / "other" / "finetune.pt")
    ]
    # One small step away from the end of stage 1, and far from its start.
    assert 0 < (states[0][position] - states[1][position]).abs().max() < 2e-3
