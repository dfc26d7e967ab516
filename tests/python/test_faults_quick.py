"""Faults that take seconds: the scenarios of `make faults`, shortened, and a log that nobody can write."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from conftest import ROOT, environment, server_binary, serving

SCENARIOS = ROOT / "tests" / "faults" / "run.py"


@pytest.mark.parametrize("scenario", ["poison", "model", "readers-quick", "disk-quick"])
def test_a_fault_under_load(scenario, tmp_path):
    """Right answers all the while, nothing held on to afterwards."""
    command = [sys.executable, SCENARIOS, "--only", scenario, "--seconds", "3", "--rate", "10"]
    settings = {**environment(), "CLIP_IN_BINARY": str(server_binary())}
    done = subprocess.run(
        [*command, "--out", tmp_path / "table.md"], env=settings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
