"""From random weights to answers: scenes, stage 1, stage 2, export, `clip-in eval`, `clip-in serve`, with the
commands of a user.

open_clip's ViT-B/32 with random weights runs for a few steps: it learns nothing, but every part of the process
runs.
"""

import base64
import io
import json
import math
import os
import subprocess
import sys
import urllib.request

import numpy as np
import pyarrow.parquet as pq
import pytest
from clip_in_training.finetune.stages.run import load_tuned
from PIL import Image

from tests.python.conftest import ROOT, environment, server_binary, serving

pytestmark = pytest.mark.full_size

SCENES = """
name = "scenes"
description = "A few scenes"
[data]
directory = "{folder}/scenes"
image_size = 96
train_pairs_per_category = 4
validation_pairs_per_category = 1
test_pairs_per_category = 2
test_scenes = 4
workers = 1
"""
RECIPE = """
name = "tiny-clip-in"
description = "ViT-B/32 from random weights, a few steps"
precision = "fp32"
workers = 0
log_every = 1
[backbone]
name = "ViT-B-32"
context_length = 120
[[sources]]
kind = "ultraedit"
path = "{folder}/scenes/train"
[distil]
steps = 2
batch = 4
[finetune]
steps = 2
pairs = 2
"""


def run(*command: str) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment()}, cwd=ROOT
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    """A folder with scenes, a run and its bundle."""
    folder = tmp_path_factory.mktemp("way")
    for name, text in (("scenes", SCENES), ("recipe", RECIPE)):
        (folder / f"{name}.toml").write_text(text.format(folder=folder))
    module = (sys.executable, "-m", "clip_in_training")
    run(*module, "generate", "--recipe", f"{folder}/scenes.toml")
    trained = ("--recipe", f"{folder}/recipe.toml", "--run", f"{folder}/run")
    run(*module, "distil", *trained)
    run(*module, "finetune", *trained)
    run(*module, "export", *trained, "--out", f"{folder}/bundle", "--precisions", "")
    return folder


def test_the_bundle_scores_pairs_as_pytorch_does(way):
    result = way / "pairs.json"
    printed = run(
        str(server_binary()),
        "eval",
        "pairs",
        "--model",
        f"{way}/bundle",
        "--data",
        f"{way}/scenes/test",
        "--json",
        str(result),
    )
    assert "color" in printed and json.loads(result.read_text())["benchmark"] == "pairs"
    assert (way / "run" / "report.html").stat().st_size > 1000


def test_the_server_answers_with_the_trained_model(way):
    row = pq.read_table(next((way / "scenes" / "test").glob("edits-*.parquet"))).slice(0, 1).to_pylist()[0]
    texts = [row["source_caption"], row["target_caption_long"]]
    image = row["source_image"]["bytes"]
    body = {"images": [base64.b64encode(image).decode()], "texts": texts}
    with serving(way / "bundle") as url:
        request = urllib.request.Request(
            f"{url}/v1/similarity", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        answer = json.load(urllib.request.urlopen(request, timeout=60))
    backbone = load_tuned(way / "run")
    pixels = backbone.preprocess(Image.open(io.BytesIO(image)))[None]
    vector = backbone.encode_image(pixels).detach().numpy()[0]
    expected = backbone.encode_text(backbone.text_rules(texts)).detach().numpy() @ vector
    assert answer["model"] == "tiny-clip-in"
    assert np.abs(np.array(answer["scores"][0]) - expected).max() < 1e-4
    assert len(backbone.text_rules.ids(texts[1])) > 60 and not math.isclose(expected[0], expected[1])
