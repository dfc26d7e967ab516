"""OpenAI's JavaScript client, unmodified, on a web page with another origin, in headless Chromium."""

import functools
import http.server
import shutil
import subprocess
import threading

import numpy as np
import pytest

from tests.python.conftest import ROOT, serving

VERSION = "7.59.0"
FOLDER = ROOT / ".cache" / "openai-js"

PAGE = "<!doctype html><title>A page of another origin</title>"

ASK = """async ([server, body]) => {
    const { default: OpenAI } = await import("/node_modules/openai/index.mjs");
    const options = { apiKey: "unused", dangerouslyAllowBrowser: true, maxRetries: 0 };
    const client = new OpenAI({ baseURL: server + "/v1", ...options });
    try {
        const answer = await client.embeddings.create(body);
        return answer.data.map((entry) => ({ ...entry, embedding: Array.from(entry.embedding) }));
    } catch (error) {
        return { status: error.status ?? null, code: error.code ?? null, name: error.constructor.name };
    }
}"""


@pytest.fixture(scope="module")
def package():
    """A folder with the package, installed by npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, which fetches the openai package for JavaScript")
    if not (FOLDER / "node_modules" / "openai" / "index.mjs").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", FOLDER]
        done = subprocess.run([npm, "install", *options, f"openai@{VERSION}"], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"npm cannot fetch openai@{VERSION}: {done.stderr[-300:]}")
    (FOLDER / "index.html").write_text(PAGE)
    return FOLDER


class Quiet(http.server.SimpleHTTPRequestHandler):
    def guess_type(self, path):
        # Not every system knows the type of this ending, and browsers require it for modules.
        return "text/javascript" if str(path).endswith(".mjs") else super().guess_type(path)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def origin(package):
    """Address of the page. Its origin differs from the server's, because `localhost` is not 127.0.0.1."""
    handler = functools.partial(Quiet, directory=package)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        yield f"http://localhost:{files.server_address[1]}"
        files.shutdown()


@pytest.fixture
def page(origin, browser):
    context = browser.new_context()
    page = context.new_page()
    page.goto(origin + "/index.html")
    yield page
    context.close()


def test_a_page_of_an_allowed_origin_can_use_the_server(page, origin):
    with serving(ROOT / "models" / "demo", "--cors-origins", origin) as server:
        preflights = []
        page.on("request", lambda request: preflights.append(request.headers))
        body = {"model": "clip-in-demo", "input": ["a red bolt", "a blue mug"]}
        packed = page.evaluate(ASK, [server, body])
        # The client adds its own headers, and the browser asks for permission for each of them.
        assert any("x-stainless-lang" in headers for headers in preflights)
        floats = page.evaluate(ASK, [server, {**body, "encoding_format": "float"}])
        assert [entry["index"] for entry in packed] == [0, 1]
        for one, other in zip(packed, floats, strict=True):
            np.testing.assert_allclose(one["embedding"], other["embedding"], atol=1e-6)
            assert np.linalg.norm(one["embedding"]) == pytest.approx(1, abs=1e-5)
        partial = page.evaluate(ASK, [server, {**body, "input": ["a", {"image": "?"}], "partial": True}])
        assert [entry["object"] for entry in partial] == ["embedding", "error"]
        assert partial[1]["error"]["code"] == "invalid_base64" and partial[1]["embedding"] == []
        unknown = page.evaluate(ASK, [server, {**body, "model": "none"}])
        assert (unknown["status"], unknown["code"]) == (404, "model_not_found")


def test_a_page_of_another_origin_gets_nothing(page, server):
    refused = page.evaluate(ASK, [server, {"model": "clip-in-demo", "input": "a"}])
    # The browser gives the page no information, not even the status.
    assert refused["status"] is None
