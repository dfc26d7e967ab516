"""The Python environments of the baselines and of the textile pictures.

`python -m tests.bench.environments` creates the missing ones.

They are separate from the project's own environment: the baselines need fixed versions (infinity-emb an old NumPy,
FastAPI the ONNX Runtime that this server loads), and neither training nor tests need them.
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
    """Creates one environment, unless it exists and matches its requirements; these list all packages."""
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
