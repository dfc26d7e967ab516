"""The documents are complete: every route, error code, metric and chapter is there, and versions agree."""

import json
import re
import shlex
import subprocess
import urllib.request
from pathlib import Path

import pytest
from clip_in_training.cli import parser

from tests.python.conftest import ROOT, server_binary

BOOK = ROOT / "docs" / "src"
REFERENCE = BOOK / "reference"


def get(server: str, path: str) -> str:
    with urllib.request.urlopen(server + path) as answer:
        return answer.read().decode()


def test_every_route_is_described():
    table = (ROOT / "src" / "api" / "routes.rs").read_text()
    rest = re.findall(r'route\(Method::(\w+), "(/v1/[^"]*|/healthz|/readyz|/metrics|/openapi.json)"', table)
    assert len(rest) > 12
    described = (REFERENCE / "http.md").read_text()
    lines = [line for line in described.splitlines() if line.startswith("| `")]
    for method, path in rest:
        assert any(f"`{method}" in line and path in line for line in lines), f"{method} {path}"
    protocol = (REFERENCE / "open-inference-protocol.md").read_text()
    for method in re.findall(r'"/inference.GRPCInferenceService/(\w+)"', table):
        assert f"`{method}`" in protocol, method
    grpc = (REFERENCE / "grpc.md").read_text()
    for method in re.findall(r'"/clip_in.v1.ClipIn/(\w+)"', table):
        assert f"`{method}`" in grpc, method


def test_the_error_codes_are_those_of_the_program(server):
    table = (ROOT / "src" / "error_code.rs").read_text()
    codes = dict(re.findall(r'^    \w+ = "(\w+)", (\d+), ', table, re.M))
    assert len(codes) > 60
    described = {}
    for section in (REFERENCE / "errors.md").read_text().split("\n## ")[1:]:
        heading, *lines = section.split("\n")
        for cells in (line.split("|") for line in lines if line.startswith("|")):
            # The codes are in the first column, or in the second one after the status.
            status = cells[1].strip()
            column = cells[2] if status.isdigit() else cells[1]
            for code in re.findall(r"`(\w+)`", column):
                described[code] = status if status.isdigit() else heading[-3:]
    assert described == codes
    interface = json.loads(get(server, "/openapi.json"))
    assert sorted(interface["components"]["schemas"]["Code"]["enum"]) == sorted(codes)


def test_every_metric_is_described(server):
    described = set(re.findall(r"`(clip_in_\w+)`", (REFERENCE / "metrics.md").read_text()))
    served = set(re.findall(r"^# TYPE (clip_in_\w+)", get(server, "/metrics"), re.M))
    assert len(served) > 25
    # Metrics of GPUs, label sets and image URLs, for which this server has no values.
    source = "\n".join(path.read_text() for path in (ROOT / "src" / "telemetry").rglob("*.rs"))
    assert served | set(re.findall(r'"(clip_in_\w+)"', source)) == described


def test_every_chapter_is_in_the_summary():
    summary = (BOOK / "SUMMARY.md").read_text()
    chapters = {path.relative_to(BOOK).as_posix() for path in BOOK.rglob("*.md")} - {"SUMMARY.md"}
    assert chapters == set(re.findall(r"\]\(([^)]+\.md)\)", summary))


def test_links_of_the_book_stay_in_the_book():
    """Files outside the book do not exist in the HTML."""
    for path in BOOK.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
            if not re.match(r"https?:", target):
                assert BOOK in (path.parent / target).resolve().parents, f"{path.name}: {target}"


DOCUMENTS = [
    ROOT / name for name in ("README.md", "README.ja.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
]


def documents() -> list[tuple[str, str]]:
    """Name and text of every document except results, which record past runs."""
    paths = DOCUMENTS + [path for path in BOOK.rglob("*.md") if path.parent.name != "results"]
    return [(path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths]


def help_of(*command: str) -> set[str]:
    """The long options of a command of the program."""
    shown = subprocess.run(
        [server_binary(), *command, "--help"], capture_output=True, text=True, check=True
    ).stdout
    return set(re.findall(r"(--[a-z][a-z0-9-]*)", shown))


def test_options_in_commands_exist():
    commands = {("serve",), ("score",), ("embed",), ("audit",), ("watch",)}
    commands |= {("config", "print"), ("config", "check")}
    commands |= {("line", name) for name in ("create", "calibrate", "report", "inspect")}
    commands |= {("line", name) for name in ("export", "rescore", "add-references", "promote", "rollback")}
    commands |= {("model", name) for name in ("inspect", "verify", "measure", "import", "history")}
    commands |= {
        ("eval", name)
        for name in "mmvp winoground sugarcrepe retrieval zeroshot pairs changes anomaly compare gate".split()
    }
    options = {command: help_of(*command) for command in commands}
    checked = 0
    for name, text in documents():
        for block in re.findall(r"^```(?:sh|bash)\n(.*?)^```$", text, re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                for words in re.findall(r"(?:^|do )(?:target/release/)?clip-in ([^#&|]*)", line):
                    command = next((c for c in commands if tuple(words.split()[: len(c)]) == c), None)
                    assert command, f"{name}: {line}"
                    for option in re.findall(r"(?<!\S)(--[a-z][a-z0-9-]*)", words):
                        assert option in options[command], f"{name}: {line}"
                        checked += 1
    assert checked > 60


def of_module(module: str) -> set[str]:
    """The options of a module of the training package that is run by itself."""
    path = ROOT / "models" / "training" / Path(*module.split("."))
    source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    return set(re.findall(r'"(--[a-z][a-z0-9-]*)"', source.read_text()))


def test_commands_of_the_training_module_are_understood():
    checked = 0
    for name, text in documents():
        for block in re.findall(r"^```(?:sh|bash)\n(.*?)^```$", text, re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                for module, words in re.findall(r" -m (?:-- )?(clip_in_training[.\w]*) ([^#&|]*)", line):
                    words = shlex.split(re.sub(r"[][]", "", words))
                    if module == "clip_in_training":
                        parser().parse_args(words)
                    else:
                        assert {it for it in words if it.startswith("--")} <= of_module(module), (
                            f"{name}: {line}"
                        )
                    checked += 1
    assert checked > 25


def test_options_and_settings_in_the_text_exist():
    known = set().union(*(help_of(command) for command in ("serve", "embed", "audit", "watch")))
    known |= help_of("eval", "retrieval") | help_of("eval", "compare") | help_of("model", "import")
    known |= (
        help_of("line", "create")
        | help_of("line", "calibrate")
        | help_of("line", "export")
        | help_of("eval", "gate")
        | help_of("eval", "anomaly")
        | help_of("eval", "changes")
    )
    # Options of other programs.
    known |= {
        "--features",
        "--locked",
        "--fill",
        "--only",
        "--device",
        "--offline",
        "--calibrate",
        "--precisions",
        "--variant",
    }
    known |= {"--from", "--keep", "--build", "--lib", "--test"}
    for name, text in documents():
        for option in re.findall(r"`(--[a-z][a-z0-9-]*)", text):
            assert option in known, f"{name}: {option}"


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    for name, text in documents():
        for target in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.M):
            assert target in targets, f"{name}: make {target}"


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_the_readme_is_short(name):
    assert len((ROOT / name).read_text().splitlines()) <= 150


def test_both_readmes_have_the_same_parts():
    def parts(name):
        text = (ROOT / name).read_text()
        blocks = re.findall(r"^```\w*\n.*?^```$", text, re.S | re.M)
        return len(re.findall(r"^## ", text, re.M)), len(re.findall(r"^\|", text, re.M)), len(blocks)

    assert parts("README.md") == parts("README.ja.md")


def test_versions_agree():
    def version_in(path):
        return re.search(r'^version = "(.+)"$', path.read_text(), re.M)[1]

    version = version_in(ROOT / "Cargo.toml")
    assert version_in(ROOT / "models" / "training" / "pyproject.toml") == version
    files = [*(ROOT / "deploy").rglob("*.yaml"), ROOT / "Dockerfile", *BOOK.rglob("*.md")]
    tags = {
        tag
        for path in files
        for tag in re.findall(r"clip-in:(\d[\w.]*?)-(?:cpu|cuda|openvino)", path.read_text())
    }
    assert tags == {version}


def test_the_description_of_the_interface_names_existing_routes(server):
    """http.md lists no route that the server lacks."""
    paths = set(json.loads(get(server, "/openapi.json"))["paths"]) | {"/openapi.json", "/docs/", "/"}
    rows = re.findall(r"^\| (`(?:GET|POST|PUT)\b.*?) \|", (REFERENCE / "http.md").read_text(), re.M)
    named = {path for row in rows for path in re.findall(r"(/[\w./{}-]*)", row)}
    admin = {path for path in named if path.startswith("/v1/admin/")}
    assert len(named) > 12
    assert sorted(named - paths - admin) == []


def test_every_answered_complaint_names_a_test_that_exists():
    page = (ROOT / "docs" / "src" / "explanation" / "complaints.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ") and "---" not in line][1:]
    files = {path.name: path for suffix in ("*.rs", "*.py") for path in files_with_tests(suffix)}
    named = [re.findall(r"`([\w.]+)`", row[-2]) for row in rows]
    assert len(rows) > 20
    # Two rows are about measured times.
    assert sum(not names for names in named) == 2
    for names in filter(None, named):
        text = files[names[0]].read_text()
        for name in names[1:]:
            assert re.search(rf"\b(fn|def) {name}\b", text), names


def files_with_tests(suffix):
    return [*(ROOT / "tests").rglob(suffix), *(ROOT / "crates").rglob(suffix)]
