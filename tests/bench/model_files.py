"""The measured models: a bundle for this server and FastAPI, the same architecture for infinity."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from tests.bench.environments import ensure
from tests.bench.paths import CACHE, HERE, INFINITY_PYTHON, REFERENCE_BUNDLE, ROOT

ARCHITECTURE = "ViT-B-32"
BESIDE_FP32 = ("int8",)
"""Variants of the reference bundle that scenarios measure. bf16 is made of fp32 by the runtime."""


class NoModel(Exception):
    """A model could not be created."""


def reference_bundle() -> Path:
    """ViT-B/32 with random weights (same cost as trained ones), with its variants; created on first use."""
    folder, manifest = str(REFERENCE_BUNDLE.relative_to(ROOT)), REFERENCE_BUNDLE / "bundle.json"
    if not manifest.exists():
        _training("reference", "--architecture", ARCHITECTURE, "--out", folder)
    variants = json.loads(manifest.read_text(encoding="utf-8"))["variants"]
    known = {variant["precision"] for variant in variants}
    if missing := [precision for precision in BESIDE_FP32 if precision not in known]:
        _training("variants", "--bundle", folder, "--precisions", ",".join(missing))
    return REFERENCE_BUNDLE


def _training(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", "clip_in_training", *command], cwd=ROOT)
    if done.returncode != 0:
        raise NoModel(
            f"the reference bundle {REFERENCE_BUNDLE.relative_to(ROOT)} could not be made; "
            "`--bundle models/demo` measures another one"
        )


def infinity_model() -> Path:
    """A folder in transformers' format: ViT-B/32, random weights, CLIP's vocabulary as open_clip ships it."""
    folder = CACHE / "infinity-model"
    if not (folder / "preprocessor_config.json").exists():
        ensure(INFINITY_PYTHON)
        package = importlib.util.find_spec("open_clip")
        if package is None:
            raise NoModel("infinity's tokenizer needs a file of open_clip: run `make python`")
        vocabulary = Path(package.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
        subprocess.run([INFINITY_PYTHON, HERE / "infinity_model.py", vocabulary, folder], check=True)
    return folder
