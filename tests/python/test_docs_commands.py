"""Runs the commands of the README and of the book, unchanged, against a server with the demo model.

All blocks marked `sh` are run, in order; only the address and the program are replaced. Blocks marked `bash` are
not run: they need a cluster, a GPU, a store, or hours. A block of JSON directly after a block of commands is the
answer to the last of them, and must resemble the real one.
"""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.python.conftest import ROOT, environment, server_binary, serving

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

ADDRESS = "http://127.0.0.1:8080"
PROGRAM = "target/release/clip-in"
DOCUMENTS = [ROOT / "README.md", ROOT / "README.ja.md", *sorted((ROOT / "docs" / "src").rglob("*.md"))]

# Required fields of an answer, by method and path. Any other answer must be JSON and a success.
SHAPES = {
    "POST /v1/similarity": {"model", "scores", "logits", "probabilities", "usage"},
    "POST /v1/classify": {"model", "results", "usage"},
    "PUT /v1/labelsets/bolts": {"object", "name", "labels", "templates", "temperature", "threshold"},
    "GET /v1/labelsets": {"object", "data"},
    "DELETE /v1/labelsets/bolts": {"deleted"},
    "POST /v1/admin/models": {"id", "replaced"},
    "DELETE /v1/admin/models/some-other-model": {"id", "object", "deleted"},
}


def commands(block: str) -> list[str]:
    """The commands of a block, each with all of its lines."""
    found, command = [], ""
    for line in block.splitlines():
        command += line + "\n"
        if line.endswith("\\"):
            continue
        try:
            words = shlex.split(command, comments=True)
        except ValueError:  # a quotation that continues on the next line
            continue
        if words:
            found.append(command.strip())
        command = ""
    assert not command, f"a command without an end: {command}"
    return found


def commands_and_answers() -> list[tuple[str, str, dict | None]]:
    """Name of the document, command, and the printed answer if there is one."""
    found = []
    for document in DOCUMENTS:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(), re.S | re.M)
        following = [*blocks[1:], ("", "")][: len(blocks)]
        for (language, block), (next_language, next_block) in zip(blocks, following, strict=True):
            if language != "sh":
                continue
            *others, last = commands(block)
            name = document.relative_to(ROOT).as_posix()
            found += [(name, command, None) for command in others]
            found.append((name, last, json.loads(next_block) if next_language == "json" else None))
    return found


def request_of(command: str) -> str:
    """Method and path of a command's request."""
    words = shlex.split(command, comments=True)
    path = next(word for word in words if word.startswith(ADDRESS)).removeprefix(ADDRESS).partition("?")[0]
    if "-X" in words:
        return f"{words[words.index('-X') + 1]} {path}"
    sends = any(word in ("-d", "-F", "--data-binary", "--form", "--form-string") for word in words)
    return f"{'POST' if sends else 'GET'} {path}"


@pytest.fixture(scope="module")
def docs_server(tmp_path_factory):
    """A server with all features that the documents turn on, and the model that they unload."""
    other = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(ROOT / "models" / "demo", other)
    manifest = json.loads((other / "bundle.json").read_text())
    manifest["name"] = "some-other-model"
    (other / "bundle.json").write_text(json.dumps(manifest))
    arguments = ["--model", str(other), "--admin", "--models-root", str(ROOT / "models")]
    with serving(ROOT / "models" / "demo", *arguments) as url:
        yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working directory as a reader has it: the repository's models, and files that earlier commands wrote."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "models").symlink_to(ROOT / "models")
    (folder / "runs").mkdir()
    (folder / PROGRAM).parent.mkdir(parents=True)
    (folder / PROGRAM).symlink_to(server_binary())
    # curl's own settings file, so that the command itself stays unchanged.
    (folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
    return folder


def supply(command: str, folder: Path) -> None:
    """Creates the images that a command sends and the repository lacks."""
    for name in re.findall(r"@([\w./-]+\.(?:jpg|jpeg|png|webp))", command):
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (320, 240), "red").save(folder / name)


def run(command: str, folder: Path) -> str:
    """Runs a command and returns its output."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**environment(), "CURL_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_like(answer, printed, place: str = "answer") -> None:
    """Checks that an answer equals the printed one up to rounding."""
    if isinstance(printed, dict):
        assert set(answer) == set(printed), place
        for key, value in printed.items():
            assert_like(answer[key], value, f"{place}.{key}")
    elif isinstance(printed, list):
        assert len(answer) == len(printed), place
        for i, value in enumerate(printed):
            assert_like(answer[i], value, f"{place}[{i}]")
    elif isinstance(printed, float):
        assert answer == pytest.approx(printed, rel=1e-2, abs=1e-3), place
    else:
        assert answer == printed, place


FOUND = commands_and_answers()


def test_the_commands_are_found():
    documents = {name for name, _, _ in FOUND}
    assert documents >= {"README.md", "README.ja.md", "docs/src/get-started.md"}
    assert {request_of(command) for _, command, _ in FOUND if command.startswith("curl")} >= set(SHAPES)
    with_answers = {name for name, _, answer in FOUND if answer}
    assert with_answers >= {"README.md", "README.ja.md", "docs/src/get-started.md"}


# In the documents' order: a later command may need the result of an earlier one.
@pytest.mark.parametrize("name, command, printed", FOUND, ids=[f"{n}: {c.split()[0]}" for n, c, _ in FOUND])
def test_a_command_gives_the_documented_answer(name, command, printed, docs_server, folder):
    supply(command, folder)
    output = run(command.replace(ADDRESS, docs_server), folder)
    if not command.startswith("curl "):
        assert PROGRAM in command, f"{name}: only curl and {PROGRAM} can be run; mark the block as bash"
        return
    body, _, status = output.rpartition("\n")
    assert 200 <= int(status) < 300, f"{status}: {body}"
    answer = json.loads(body)
    request = request_of(command)
    assert set(answer) >= SHAPES.get(request, set())
    if request.startswith("PUT"):
        assert status == "201"
    if request.startswith("DELETE"):
        assert answer["deleted"] is True
    if printed is not None:
        assert_like(answer, printed)
