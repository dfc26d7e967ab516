"""The Python environments of the baselines, and of the textile pictures.

`python -m tests.bench.environments` makes what is not there yet.

They are apart from the project's own: the baselines pin what they need (infinity-emb an old NumPy, FastAPI's
the ONNX Runtime that our server loads), and neither the training nor the tests need any of it.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.paths import BENCH_PYTHON, HERE, INFINITY_PYTHON, TEXTILE_PYTHON

REQUIREMENTS = {
    BENCH_PYTHON: "requirements.txt",
    INFINITY_PYTHON: "infinity-requirements.txt",
    TEXTILE_PYTHON: "textile-requirements.txt",
}


def ensure(python: Path) -> None:
    """Makes one environment, unless it is there as its requirements say; those are complete."""
    requirements = HERE / REQUIREMENTS[python]
    fingerprint = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder = python.parents[1]
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    print(f"making {folder.name} from {requirements.name}; this needs the Python package index", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*install, "-r", requirements], check=True)
    stamp.write_text(fingerprint)


if __name__ == "__main__":
    for each in REQUIREMENTS:
        ensure(each)
