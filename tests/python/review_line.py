"""A line with parts that wait for a person, and the page `/review` in a browser."""

import base64
import io
import json
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from itertools import count

import pytest
from PIL import Image, ImageDraw

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=20_000)

STATEMENTS = [
    {"text": "the plate has a scratch", "kind": "scratch"},
    {"text": "a hole is missing", "kind": "missing hole"},
    {"text": "the plate is dented", "kind": "dent"},
    {"text": "nothing has changed"},
]
KINDS = ["scratch", "missing hole", "dent"]
numbers = count(1)


def plate(mark: int | None = None) -> bytes:
    """A drawn plate; with a mark, a scratch at a place of its own."""
    image = Image.new("RGB", (240, 180), (120, 126, 130))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle([20, 20, 220, 160], 12, fill=(70, 90, 110))
    for x, y in ((45, 45), (195, 45), (45, 135), (195, 135)):
        pen.ellipse([x - 9, y - 9, x + 9, y + 9], fill=(20, 20, 22))
    if mark is not None:
        x, y = 70 + 13 * (mark % 8), 60 + 9 * (mark % 7)
        pen.line([x, y, x + 26, y + 14], fill=(240, 240, 235), width=3)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def ask(server, method, path, body=None, kind="application/json", headers=None, key=None):
    """The server's answer; `body` is bytes, or an object that is sent as JSON."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {"content-type": kind, **(headers or {}), **({"authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(server + path, data, sent, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def line_with(server, parts: int, key=None, **more) -> tuple[str, list[str]]:
    """A new line, and the ids of parts that wait, the oldest first."""
    name = f"review-{next(numbers)}"
    reference = base64.b64encode(plate()).decode()
    # With so few pixels a part takes a fifth of the time.
    line = {"references": [reference], "resolution": 192, "statements": STATEMENTS, "audit": 0, **more}
    ask(server, "PUT", f"/v1/lines/{name}", line, key=key)
    return name, [inspect(server, name, number, key=key) for number in range(parts)]


def inspect(server, line, number, key=None) -> str:
    """Has a part inspected: without a calibration, a person decides."""
    path = f"/v1/lines/{line}/inspections?part=P-{number}&lot=lot-{number // 10}"
    return ask(server, "POST", path, plate(number), "image/png", key=key)["id"]


def verdicts(server, inspection) -> list[dict]:
    return ask(server, "GET", f"/v1/inspections/{inspection}")["verdicts"]


def said(server, inspection) -> list[str]:
    """All that was said about a part, the oldest first."""
    return [one["verdict"] for one in verdicts(server, inspection)]


@contextmanager
def reviewing(server, browser, line=None, section="queue", routes=None, **context):
    """The page with a line; `routes` are handlers by pattern. At the end nothing was loaded from elsewhere, and no
    script or policy error was logged."""
    options = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", **context}
    opened = browser.new_context(base_url=server, **options)
    page = opened.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for pattern, handler in (routes or {}).items():
        page.route(pattern, handler)
    page.goto(f"/review#{line}/{section}" if line else "/review")
    try:
        yield page
    finally:
        page.unroute_all(behavior="ignoreErrors")
        opened.close()
    assert [url for url in requests if not url.startswith((server + "/", "data:", f"blob:{server}/"))] == []
    # Chromium logs every error answer and every lost connection; some tests cause one on purpose.
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []


def expect_part(page, number):
    """The page shows this part, and its picture is on the screen."""
    expect(page.locator("#part-name")).to_have_text(f"P-{number}")
    expect(page.locator("#part-pane .picture")).to_be_visible()
    expect(page.locator("#reference-pane .picture")).to_be_visible()


def expect_saved(page):
    expect(page.locator("#saved")).to_have_attribute("data-state", "saved")


def wait_until(page, expression: str, arg=None, seconds: float = 30) -> None:
    """Asks again and again from outside. `wait_for_function` asks within the page, whose Content Security Policy
    forbids that from the second time on.
    """
    ends = time.monotonic() + seconds
    while not page.evaluate(expression, arg):
        assert time.monotonic() < ends, f"not true after {seconds} s: {expression}"
        page.wait_for_timeout(50)


def is_shown(page) -> dict:
    """The part on the screen."""
    return page.evaluate(
        """() => {
            const picture = document.querySelector("#part-pane .picture");
            return {
                name: document.querySelector("#part-name").textContent,
                width: picture && picture.complete ? picture.naturalWidth : 0,
            };
        }"""
    )


def refused(server, method, path, body=None) -> tuple[int, str]:
    """Status and code of an error answer."""
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(server, method, path, body)
    return error.value.code, json.load(error.value)["error"]["code"]
