"""The command that `pip install -e models/training` puts into an environment."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(sys.executable).with_name("clip-in-training")


def run(*command):
    # Run in another folder and without PYTHONPATH: the package is found only if it is installed.
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "OMP_WAIT_POLICY")}
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env=clean, check=False)


def test_the_command_is_installed():
    done = run(SCRIPT, "--help")
    assert done.returncode == 0, done.stderr
    for command in ("generate", "train", "distil", "finetune", "export", "ablation"):
        assert command in done.stdout


def test_the_command_sets_what_the_module_sets():
    code = (
        "import os, sys; from importlib.metadata import entry_points; "
        "(script,) = entry_points(group='console_scripts', name='clip-in-training'); script.load(); "
        "print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"
    )
    done = run(sys.executable, "-c", code)
    assert done.stdout.split() == ["PASSIVE", "False"], done.stderr
