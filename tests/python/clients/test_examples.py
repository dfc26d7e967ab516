"""The programs in examples/, run like a user does, against a server that requires a key."""

import base64
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager

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


CAMERA = "a key of the camera"


@pytest.fixture(scope="module")
def line_server(tmp_path_factory):
    """A server with the line `board`, which the key CAMERA may use."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(f'[[key]]\nname = "camera"\nkey = "{CAMERA}"\nroles = ["admin", "inspect"]\n')
    with serving(ROOT / "models" / "demo", "--api-keys-file", str(keys)) as url:
        body = json.dumps({"references": [base64.b64encode(SAMPLE.read_bytes()).decode()]}).encode()
        headers = {"content-type": "application/json", "x-api-key": CAMERA}
        request = urllib.request.Request(f"{url}/v1/lines/board", body, headers, method="PUT")
        urllib.request.urlopen(request).close()
        yield url


@contextmanager
def losing_an_answer(server: str):
    """A relay to the server that breaks the connection instead of giving its first answer.

    Its address, the keys that it saw, and the connections on which it answered.
    """
    keys, connections = [], set()

    class Relay(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            request = urllib.request.Request(server + self.path, body, dict(self.headers), method="POST")
            with urllib.request.urlopen(request) as answer:
                content = answer.read()
            keys.append(self.headers["idempotency-key"])
            if len(keys) == 1:
                self.close_connection = True
                return
            connections.add(self.client_address)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{relay.server_port}", keys, connections
        relay.shutdown()


def run_camera(server: str, *images, line: str = "board", key: str = CAMERA) -> subprocess.CompletedProcess:
    command = [sys.executable, EXAMPLES / "python" / "camera_loop.py", line, "left", *images]
    environment = {**os.environ, "CLIP_IN_URL": server, "CLIP_IN_API_KEY": key}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_the_camera_loop_inspects_each_picture_once_over_one_connection(line_server):
    images = [SAMPLE.with_name(f"{number}.webp") for number in range(3)]
    with losing_an_answer(line_server) as (relay, keys, connections):
        done = run_camera(relay, *images)
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [[n, "review"] for n in "123"]
    assert "trigger 1: " in done.stderr and "trying again" in done.stderr
    assert len(keys) == 4 and keys[0] == keys[1] and len(set(keys)) == 3
    assert len(connections) == 1
    request = urllib.request.Request(
        f"{line_server}/v1/lines/board/inspections", headers={"x-api-key": CAMERA}
    )
    with urllib.request.urlopen(request) as answer:
        rows = json.load(answer)["data"]
    assert [(row["trigger"], row["station"]) for row in rows] == [(n, "left") for n in (1, 2, 3)]


def test_the_camera_loop_says_why_the_server_refused(line_server, tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    done = run_camera(line_server, tmp_path / "notes.txt")
    assert done.returncode == 1 and "trigger 1: 400 image_unknown_format" in done.stderr, done.stderr
    done = run_camera(line_server, SAMPLE, line="other")
    assert done.returncode == 1 and "404 line_not_found" in done.stderr, done.stderr
    done = run_camera(line_server, SAMPLE, key="another key, which is wrong")
    assert done.returncode == 1 and "401 unauthorized" in done.stderr, done.stderr


def test_the_readme_lists_every_program():
    readme = (EXAMPLES / "README.md").read_text()
    kinds = {".py", ".mjs", ".go"}
    for path in EXAMPLES.rglob("*"):
        if path.suffix in kinds and "clip_in" not in path.parts:
            assert f"({path.relative_to(EXAMPLES)})" in readme, path
