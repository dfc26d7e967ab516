"""Runs the examples of clip-in-numerics: the arithmetic is that of the server, and not repeated here."""

import json
import subprocess

from tests.bench.paths import ROOT


def run(example: str, task: dict) -> list | dict:
    """Answer of an example to a task."""
    command = ["cargo", "run", "--locked", "--quiet", "--package", "clip-in-numerics", "--example", example]
    done = subprocess.run(
        command, input=json.dumps(task), check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    return json.loads(done.stdout)
