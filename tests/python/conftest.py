"""The real server, as built by `make`, and a browser for its pages."""

import importlib.util
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# These have their own environments.
OWN_ENVIRONMENTS = {"clients": "tritonclient", "catalogue": "lancedb"}
collect_ignore = [
    folder for folder, package in OWN_ENVIRONMENTS.items() if not importlib.util.find_spec(package)
]

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


def server_binary() -> Path:
    """CLIP_IN_BINARY, or the profile that was built last."""
    if named := os.environ.get("CLIP_IN_BINARY"):
        return Path(named).resolve()
    built = [
        path for profile in ("debug", "release") if (path := ROOT / "target" / profile / "clip-in").exists()
    ]
    if not built:
        pytest.fail("no clip-in binary found: run `cargo build`, or set CLIP_IN_BINARY")
    return max(built, key=lambda path: path.stat().st_mtime)


def environment() -> dict[str, str]:
    """The environment with the ONNX Runtime that `make` downloaded, unless another one is named."""
    return {"ORT_DYLIB_PATH": str(ROOT / ".cache" / "onnxruntime" / "libonnxruntime.so"), **os.environ}


@contextmanager
def serving(model: Path, *arguments: str) -> Iterator[str]:
    """Address of a server with a bundle, on a free port."""
    # Each server has its own state folder.
    state = tempfile.TemporaryDirectory()
    process = subprocess.Popen(
        [
            server_binary(),
            "serve",
            "--model",
            model,
            "--precision",
            "fp32",
            "--listen",
            "127.0.0.1:0",
            "--state",
            state.name,
            *arguments,
        ],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    log = queue.Queue()

    def read_log():
        # Read to the end; otherwise the server would block on a full pipe.
        for line in process.stderr:
            log.put(line)
        log.put(None)

    threading.Thread(target=read_log, daemon=True).start()
    try:
        yield wait_until_ready(log)
    finally:
        process.terminate()
        process.wait(timeout=30)
        state.cleanup()


@pytest.fixture(scope="session")
def server():
    """Address of a server with models/demo, on a free port."""
    with serving(ROOT / "models" / "demo") as url:
        yield url


def wait_until_ready(log: queue.Queue) -> str:
    """The address that the server logs once it is ready."""
    seen, deadline = [], time.monotonic() + START_SECONDS
    while True:
        try:
            line = log.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            pytest.fail(f"not ready after {START_SECONDS} s:\n{''.join(seen)}")
        if line is None:
            pytest.fail(f"the server stopped before it was ready:\n{''.join(seen)}")
        seen.append(line)
        if ready := re.search(r"ready on (http://[\d.]+:\d+)", line):
            return ready[1]


@pytest.fixture(scope="session")
def browser():
    """An installed Chromium; nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed")
    arguments = (
        "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    )
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=executable, args=[*arguments.split(), "--disable-sync"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(server, browser):
    """The page at `/`. At the end, nothing was loaded from elsewhere, and no script or policy error was logged."""
    context = browser.new_context(base_url=server, viewport={"width": 1100, "height": 900})
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto("/")
    yield page
    context.close()
    assert [url for url in requests if not url.startswith((server + "/", "data:", f"blob:{server}/"))] == []
    # Chromium logs every error answer; some tests cause one on purpose.
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []
