"""The page at `/docs/` in headless Chromium: it shows every call, and a call can be sent from it."""

import json
import urllib.request

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect


@pytest.fixture
def page(server, browser):
    context = browser.new_context(base_url=server, viewport={"width": 1200, "height": 1600})
    page = context.new_page()
    elsewhere, complaints = [], []
    page.on(
        "request",
        lambda request: (
            elsewhere.append(request.url) if not request.url.startswith((server + "/", "data:")) else None
        ),
    )
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto("/docs")
    yield page
    context.close()
    assert elsewhere == []
    assert complaints == []


def test_every_call_is_shown(server, page):
    document = json.load(urllib.request.urlopen(f"{server}/openapi.json"))
    calls = [path for path, methods in document["paths"].items() for _ in methods]
    expect(page.locator(".opblock")).to_have_count(len(calls), timeout=120_000)
    assert {"/v1/embeddings", "/v1/classify", "/v2/models/{name}/infer"} <= set(calls)


def test_a_call_can_be_tried(page):
    block = page.locator("#operations-models-list_models")
    block.click(timeout=120_000)
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    expect(answer).to_contain_text("clip-in-demo", timeout=120_000)
