"""The programs in examples/, run like a user does, against a server that requires a key."""

import base64
import json
import os
import shutil
import subprocess
import sys
import urllib.request

import pytest

from tests.python.conftest import ROOT, serving

EXAMPLES = ROOT / "examples"
SAMPLE = ROOT / "models" / "demo" / "samples" / "0.webp"
KEY = "a key of the examples"
TEXTS = ["a red bolt", "a blue mug", "two screws to the left of a ball"]


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(f'[[key]]\nname = "examples"\nkey = "{KEY}"\n')
    with serving(ROOT / "models" / "demo", "--api-keys-file", str(keys)) as url:
        yield url


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Folder and command of each program, or the reason why it cannot run here."""
    python = tmp_path_factory.mktemp("python")
    shutil.copy(EXAMPLES / "python" / "grpc_client.py", python)
    generated = ["-I", ROOT / "proto", f"--python_out={python}", f"--grpc_python_out={python}"]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *generated, "clip_in/v1/clip_in.proto"], check=True
    )
    found = {
        "requests": (ROOT, [sys.executable, EXAMPLES / "python" / "requests_client.py"]),
        "openai": (ROOT, [sys.executable, EXAMPLES / "python" / "openai_client.py"]),
        "grpc": (ROOT, [sys.executable, python / "grpc_client.py"]),
        "javascript": (ROOT, [shutil.which("node"), EXAMPLES / "javascript" / "client.mjs"]),
        "go": (EXAMPLES / "go", [shutil.which("go"), "run", "."]),
    }
    return found


def run(programs, name: str, server: str, image, *, key: str = KEY) -> subprocess.CompletedProcess:
    folder, command = programs[name]
    if command[0] is None:
        pytest.skip(f"{'node' if name == 'javascript' else name} is not installed")
    environment = {
        **os.environ,
        "CLIP_IN_URL": server,
        "CLIP_IN_ADDRESS": server.removeprefix("http://"),
        "CLIP_IN_API_KEY": key,
        # The module has no requirements: nothing may be downloaded.
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
    }
    return subprocess.run(
        [*command, image, *TEXTS], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def expected(server: str) -> list[tuple[float, str]]:
    """The answer of POST /v1/similarity, without any of the clients."""
    body = {"images": [base64.b64encode(SAMPLE.read_bytes()).decode()], "texts": TEXTS}
    request = urllib.request.Request(
        f"{server}/v1/similarity",
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-api-key": KEY},
    )
    with urllib.request.urlopen(request) as answer:
        return sorted(zip(json.load(answer)["scores"][0], TEXTS, strict=True), reverse=True)


NAMES = ["requests", "openai", "grpc", "javascript", "go"]


@pytest.mark.parametrize("name", NAMES)
def test_a_program_prints_the_cosines_in_descending_order(name, programs, locked_server):
    done = run(programs, name, locked_server, SAMPLE)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    wanted = expected(locked_server)
    assert [text for _, text in lines] == [text for _, text in wanted]
    assert [float(score) for score, _ in lines] == pytest.approx([score for score, _ in wanted], abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_program_says_why_the_server_refused(name, programs, locked_server, tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    done = run(programs, name, locked_server, tmp_path / "notes.txt")
    assert done.returncode == 1
    assert "image_unknown_format" in done.stderr, done.stderr
    done = run(programs, name, locked_server, SAMPLE, key="another key, which is wrong")
    assert done.returncode == 1
    assert "unauthorized" in done.stderr, done.stderr


def test_the_readme_lists_every_program():
    readme = (EXAMPLES / "README.md").read_text()
    kinds = {".py", ".mjs", ".go"}
    for path in EXAMPLES.rglob("*"):
        if path.suffix in kinds and "clip_in" not in path.parts:
            assert f"({path.relative_to(EXAMPLES)})" in readme, path
