"""Stage 1 in chunks, on several processes, and with a context shorter than the teacher's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tuning_data import RECIPE, write_edits

from clip_in_training.common import checkpoint
from clip_in_training.common.recipe import RecipeError
from clip_in_training.common.step_log import read_steps
from clip_in_training.finetune.backbone.load import load_backbone, load_original
from clip_in_training.finetune.recipe import parse_tuning_recipe
from clip_in_training.finetune.stages.distil import distil
from clip_in_training.finetune.stages.run import load_tuned
from clip_in_training.finetune.variant import changed, to_toml

HERE = Path(__file__).parent
STEPS = 8


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    data = tmp_path_factory.mktemp("data") / "edits.parquet"
    write_edits(data)
    text = RECIPE.format(data=data.as_posix())
    return changed(parse_tuning_recipe(text), {"distil.steps": STEPS, "distil.batch": 12})


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole")
    distil(recipe, to_toml(recipe), run)
    return run


def same_run(run, expected, tolerance):
    ours, theirs = ([entry["loss"] for entry in read_steps(r / "distil.jsonl")] for r in (run, expected))
    assert ours == pytest.approx(theirs, rel=tolerance) and len(ours) == STEPS
    ours, theirs = (checkpoint.load(r / "distil.pt")["modules"]["backbone"] for r in (run, expected))
    start = load_backbone(parse_tuning_recipe((run / "recipe.toml").read_text()).backbone, 5).state_dict()
    moved = 0
    for name, weight in theirs.items():
        if not torch.equal(weight, start[name]):
            moved += 1
            distance = (ours[name] - weight).norm() / (weight - start[name]).norm()
            assert distance < 100 * tolerance, name
    assert moved > 10


def test_chunks_change_nothing(recipe, whole, tmp_path):
    small = changed(recipe, {"distil.chunk": 5})
    distil(small, to_toml(small), tmp_path)
    same_run(tmp_path, whole, 1e-4)


@pytest.mark.slow_training
def test_two_processes_in_chunks_repeat_the_run_of_one(recipe, whole, tmp_path):
    """Under torchrun: twelve captions are two shares of six, in chunks of four and two."""
    small = changed(recipe, {"distil.chunk": 4})
    path, run = tmp_path / "tiny.toml", tmp_path / "run"
    path.write_text(to_toml(small))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--"]
    done = subprocess.run(
        [*command, str(HERE / "tuning_process.py"), "distil", "--recipe", str(path), "--run", str(run)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((run / "distil.json").read_text())["world"] == 2
    same_run(run, whole, 1e-3)


@pytest.mark.parametrize("name", ["tiny-siglip", "tiny-clip"])
def test_a_student_may_have_a_shorter_context_than_its_teacher(recipe, tmp_path, name):
    """SigLIP pads every text to the whole context, so a shorter context costs less."""
    keys = {"backbone.name": name, "backbone.context_length": 12, "distil.steps": 40, "finetune.steps": 0}
    short = changed(recipe, keys)
    assert load_original(short.backbone, 5).text_rules.context_length > 12
    distil(short, to_toml(short), tmp_path)
    found = json.loads((tmp_path / "distil.json").read_text())
    assert found["agreement"]["after"]["all"]["mean"] > found["agreement"]["before"]["all"]["mean"] + 0.01
    student = load_tuned(tmp_path)
    ids = student.text_rules(
        ["a red bolt", "a bolt that lies beside a blue mug and a green label and a wheel"]
    )
    assert ids.shape == (2, 12) and student.text_rules.context_length == 12
    assert student.encode_text(ids).shape == (2, student.embedding_dim)


def test_a_negative_chunk_is_refused(recipe):
    with pytest.raises(RecipeError, match=r"`distil\.chunk` must not be negative"):
        changed(recipe, {"distil.chunk": -1})
