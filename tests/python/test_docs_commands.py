"""The commands of the README and of the book, run as they stand against a server of the demo model.

Blocks marked `sh` are run: all of them, in order. Only the address and the program are others. Blocks marked `bash`
are not run: they need a cluster, a card, a store, or hours. A block of JSON right behind a block of commands is the
answer to the last of them, and has to be like the real one.
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

# What an answer has at least, by method and path. Whatever is not named here must be JSON and a success.
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
        except ValueError:  # a quotation that goes on
            continue
        if words:
            found.append(command.strip())
        command = ""
    assert not command, f"a command without an end: {command}"
    return found


def commands_and_answers() -> list[tuple[str, str, dict | None]]:
    """Name of the document, command, and its answer if one is printed."""
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
    """Method and path that a line asks for."""
    words = shlex.split(command, comments=True)
    path = next(word for word in words if word.startswith(ADDRESS)).removeprefix(ADDRESS).partition("?")[0]
    if "-X" in words:
        return f"{words[words.index('-X') + 1]} {path}"
    sends = any(word in ("-d", "-F", "--data-binary", "--form", "--form-string") for word in words)
    return f"{'POST' if sends else 'GET'} {path}"


@pytest.fixture(scope="module")
def docs_server(tmp_path_factory):
    """With all that the documents switch on, and the model that they unload."""
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
    """Where a reader would stand: the repository's models, and the files that earlier commands left."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "models").symlink_to(ROOT / "models")
    (folder / "runs").mkdir()
    (folder / PROGRAM).parent.mkdir(parents=True)
    (folder / PROGRAM).symlink_to(server_binary())
    # curl's own settings file: the line itself stays as it is.
    (folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
    return folder


def supply(command: str, folder: Path) -> None:
    """The images that a line sends and the repository does not have."""
    for name in re.findall(r"@([\w./-]+\.(?:jpg|jpeg|png|webp))", command):
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (320, 240), "red").save(folder / name)


def run(command: str, folder: Path) -> str:
    """What a command printed."""
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
    """An answer is the printed one, whose numbers are rounded."""
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


# In the documents' order: a later line may need what an earlier one did.
@pytest.mark.parametrize("name, command, printed", FOUND, ids=[f"{n}: {c.split()[0]}" for n, c, _ in FOUND])
def test_a_command_does_what_it_says(name, command, printed, docs_server, folder):
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
