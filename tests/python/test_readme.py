"""The README's `curl` lines, run as they stand against a server that was started as it says.

Only the address is another.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.python.conftest import ROOT, serving

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

ADDRESS = "http://127.0.0.1:8080"

# What an answer has at least, by method and path. Whatever is not named here must be JSON and a success.
SHAPES = {
    "POST /v1/similarity": {"model", "scores", "logits", "probabilities", "usage"},
    "POST /v1/classify": {"model", "labelset", "results", "usage"},
    "PUT /v1/labelsets/bolts": {"object", "name", "labels", "templates", "temperature", "threshold"},
    "POST /v1/admin/models": {"id", "replaced"},
    "DELETE /v1/admin/models/some-other-model": {"id", "object", "deleted"},
}


def curl_lines() -> list[str]:
    """Every command of the README's shell blocks that runs curl, with all of its lines."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
    found = []
    for block in blocks:
        command = ""
        for line in block.splitlines():
            command += line + "\n"
            if line.endswith("\\"):
                continue
            try:
                shlex.split(command, comments=True)
            except ValueError:  # a quotation that goes on
                continue
            if command.startswith("curl "):
                found.append(command.strip())
            command = ""
        assert not command, f"a command without an end: {command}"
    return found


def request_of(command: str) -> str:
    """Method and path that a line asks for."""
    words = shlex.split(command, comments=True)
    path = next(word for word in words if word.startswith(ADDRESS)).removeprefix(ADDRESS).partition("?")[0]
    if "-X" in words:
        return f"{words[words.index('-X') + 1]} {path}"
    sends = any(word in ("-d", "-F", "--data-binary", "--form", "--form-string") for word in words)
    return f"{'POST' if sends else 'GET'} {path}"


@pytest.fixture(scope="module")
def readme_server(tmp_path_factory):
    """With all that the README switches on, and the model that it unloads."""
    other = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(ROOT / "models" / "demo", other)
    manifest = json.loads((other / "bundle.json").read_text())
    manifest["name"] = "some-other-model"
    (other / "bundle.json").write_text(json.dumps(manifest))
    arguments = ["--model", str(other), "--admin", "--models-root", str(ROOT / "models")]
    with serving(ROOT / "models" / "demo", *arguments) as url:
        yield url


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where a reader would stand: the repository's models, and pictures of their own."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    # curl's own settings file: the line itself stays as it is.
    (tmp_path / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
    return tmp_path


def supply(command: str, folder: Path) -> None:
    """The files that a line sends and the repository does not have."""
    for name in re.findall(r"@([\w./-]+\.(?:jpg|jpeg|png|webp))", command):
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (320, 240), "red").save(folder / name)


def test_the_lines_are_found():
    assert {request_of(line) for line in curl_lines()} >= set(SHAPES)


# In the README's order: a later line may need what an earlier one did.
@pytest.mark.parametrize("command", curl_lines(), ids=lambda command: request_of(command))
def test_a_line_does_what_it_says(command, readme_server, folder):
    supply(command, folder)
    line = command.replace(ADDRESS, readme_server)
    done = subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**os.environ, "CURL_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    assert 200 <= int(status) < 300, f"{status}: {body}"
    answer = json.loads(body)
    request = request_of(command)
    assert set(answer) >= SHAPES.get(request, set())
    if request == "POST /v1/similarity":
        assert [len(answer["scores"]), len(answer["scores"][0])] == [1, 2]
        assert sum(answer["probabilities"][0]) == pytest.approx(1, abs=1e-5)
    elif request == "POST /v1/classify":
        assert {entry["label"] for entry in answer["results"][0]["labels"]} == {"good", "scratched"}
        assert "decision" in answer["results"][0]
    elif request.startswith("PUT"):
        assert (status, answer["threshold"]) == ("201", 0.8)
    elif request.startswith("DELETE"):
        assert answer["deleted"] is True
