"""User actions on the page at `/`, in headless Chromium with the real server."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest
from PIL import Image

from tests.python.conftest import ROOT, serving

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=20_000)

TEXTS = ["a red washer", "two blue screws", "an orange plug"]


def get(server, path) -> bytes:
    with urllib.request.urlopen(server + path) as response:
        return response.read()


def ask(server, image: bytes, texts) -> list:
    """The API's ranking, requested in another form than the page uses."""
    body = json.dumps({"images": [base64.b64encode(image).decode()], "labels": texts}).encode()
    request = urllib.request.Request(server + "/v1/classify", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)["results"][0]["labels"]


def drawn(color="red", kind="PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (160, 120), color).save(buffer, kind)
    return buffer.getvalue()


def upload(page, image: bytes, name="part.png"):
    page.locator("#file").set_input_files({"name": name, "mimeType": "image/png", "buffer": image})


def expect_ranking(page, expected: list):
    expect(page.locator("#ranking .label")).to_have_text([entry["label"] for entry in expected])
    expect(page.locator("#result")).to_have_attribute("aria-busy", "false")
    percents = page.locator("#ranking .percent").all_inner_texts()
    cosines = page.locator("#ranking .cosine").all_inner_texts()
    for entry, percent, cosine in zip(expected, percents, cosines, strict=True):
        assert float(percent.strip("<% ")) == pytest.approx(100 * entry["score"], abs=0.11)
        assert float(cosine.removeprefix("cosine ")) == pytest.approx(entry["similarity"], abs=0.0011)


def test_a_sample_is_ranked_as_the_api_ranks_it(server, page):
    sample = json.loads(get(server, "/samples"))["samples"][0]
    page.locator("#sample-list button").first.click()
    expect(page.locator("#texts")).to_have_value("\n".join(sample["texts"]))
    expect_ranking(page, ask(server, get(server, sample["url"]), sample["texts"]))

    percents = [float(text.strip("<% ")) for text in page.locator("#ranking .percent").all_inner_texts()]
    assert percents == sorted(percents, reverse=True)
    assert sum(percents) == pytest.approx(100, abs=0.1 * len(percents))
    page.wait_for_timeout(400)  # the bars grow
    widths = page.locator("#ranking .bar").evaluate_all("bars => bars.map(bar => bar.offsetWidth)")
    assert widths == sorted(widths, reverse=True) and widths[0] > 0
    expect(page.locator("#ranking li").first).to_have_class("best")
    expect(page.locator("#status")).to_contain_text(f"Best of {len(sample['texts'])}")

    model = json.loads(get(server, "/v1/models"))["data"][0]
    facts = re.escape(f"{model['id']} · {model['precision']} · {model['device']}")
    expect(page.locator("#answered")).to_have_text(re.compile(rf"^{facts} · \d+ ms$"))


def test_without_samples_that_part_is_hidden(page):
    page.route("**/samples", lambda route: route.fulfill(json={"samples": []}))
    page.reload()
    expect(page.locator("#model")).not_to_be_empty()
    expect(page.locator("#samples")).to_be_hidden()


def test_typing_ranks_again(server, page):
    image = drawn()
    upload(page, image)
    expect(page.locator("#status")).to_have_text("Waiting for a description.")
    page.locator("#texts").fill("\n".join(TEXTS))
    expect_ranking(page, ask(server, image, TEXTS))
    page.locator("#texts").press("End")
    page.locator("#texts").press_sequentially("\n\n  a plain red surface ")
    expect_ranking(page, ask(server, image, [*TEXTS, "a plain red surface"]))
    page.locator("#texts").fill("")
    expect(page.locator("#ranking li")).to_have_count(0)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_an_image_is_dropped_or_pasted(server, page, way):
    image = drawn("blue", "JPEG")
    page.locator("#texts").fill("\n".join(TEXTS))
    page.evaluate(
        """([way, base64]) => {
            const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "from elsewhere.jpg", { type: "image/jpeg" }));
            const options = { bubbles: true, cancelable: true };
            const event = way === "drop"
                ? new DragEvent("drop", { ...options, dataTransfer: data })
                : new ClipboardEvent("paste", { ...options, clipboardData: data });
            document.querySelector(way === "drop" ? "#drop" : "body").dispatchEvent(event);
        }""",
        [way, base64.b64encode(image).decode()],
    )
    expect(page.locator("#file-name")).to_have_text("from elsewhere.jpg")
    expect_ranking(page, ask(server, image, TEXTS))


def test_a_broken_file_shows_the_error_of_the_api_and_the_next_file_works(server, page):
    broken = drawn()[:60]
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(server, broken, TEXTS)
    error = json.load(refused.value)["error"]
    page.locator("#texts").fill("\n".join(TEXTS))
    upload(page, drawn())
    expect(page.locator("#ranking li")).to_have_count(3)
    upload(page, broken, "broken.png")
    expect(page.locator("#image-error")).to_contain_text(error["message"])
    expect(page.locator("#image-error")).to_contain_text(error["param"])
    expect(page.locator("#file")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#ranking li")).to_have_count(0)
    upload(page, drawn())
    expect(page.locator("#ranking li")).to_have_count(3)
    expect(page.locator("#image-error")).to_be_hidden()


def test_a_format_that_the_browser_cannot_show_is_ranked(server, page):
    image = drawn("green", "TIFF")
    page.locator("#texts").fill("\n".join(TEXTS))
    upload(page, image, "scan.tif")
    expect_ranking(page, ask(server, image, TEXTS))
    expect(page.locator("#preview")).to_be_hidden()


def test_a_late_answer_does_not_replace_a_newer_one(server, page):
    held = []

    def hold_the_first(route):
        held.append(route)
        if len(held) > 1:
            route.continue_()

    page.route("**/v1/classify", hold_the_first)
    page.locator("#texts").fill("\n".join(TEXTS))
    upload(page, drawn("red"), "first.png")
    expect(page.locator("#result")).to_have_attribute("aria-busy", "true")
    upload(page, drawn("blue"), "second.png")
    expected = ask(server, drawn("blue"), TEXTS)
    expect_ranking(page, expected)
    # A late answer would look like this; the page has cancelled it.
    late = {"model": "late", "results": [{"index": 0, "labels": []}], "usage": {"truncated_tokens": 0}}
    held[0].fulfill(json=late)
    page.wait_for_timeout(300)
    expect_ranking(page, expected)
    assert len(held) == 2


def test_a_stopped_server_is_reported(page):
    page.locator("#texts").fill("\n".join(TEXTS))
    page.route("**/v1/classify", lambda route: route.abort())
    upload(page, drawn())
    expect(page.locator("#error")).to_contain_text("The server did not answer.")
    page.unroute("**/v1/classify")
    page.locator("#run").click()
    expect(page.locator("#ranking li")).to_have_count(3)
    expect(page.locator("#error")).to_be_hidden()


def test_missing_input_is_reported_on_submit(page):
    page.locator("#texts").press("Control+Enter")
    expect(page.locator("#error")).to_have_text("Choose an image first.")
    upload(page, drawn())
    page.locator("#run").click()
    expect(page.locator("#error")).to_have_text("Write at least one description.")
    expect(page.locator("#texts")).to_be_focused()


def test_notes_on_one_description_and_on_truncation(page):
    upload(page, drawn())
    page.locator("#texts").fill("a red washer")
    expect(page.locator("#note")).to_contain_text("A single description always gets 100 %")
    page.locator("#texts").fill("a red washer\n" + "two blue screws and " * 60)
    expect(page.locator("#note")).to_contain_text("cut off")


def test_markup_stays_text(page):
    upload(page, drawn(), "<img src=x>.png")
    page.locator("#texts").fill("<img src=x onerror=alert(1)>\n<b>bold</b>")
    expect(page.locator("#ranking .label")).to_have_count(2)
    expect(page.locator("#ranking img, #ranking b, #file-name img")).to_have_count(0)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("source", ["sample", "file"])
def test_the_curl_line_gives_the_same_ranking(server, page, tmp_path, source):
    if source == "sample":
        page.locator("#sample-list button").first.click()
        expect(page.locator("#ranking .label").first).to_be_visible()
    else:
        name = 'it\'s; a "part", 2.png'
        (tmp_path / name).write_bytes(drawn())
        upload(page, drawn(), name)
    texts = ["@a red washer", "<two 'blue' screws; type=x", "$HOME"]
    page.locator("#texts").fill("\n".join(texts))
    expect(page.locator("#ranking .label")).to_have_count(3)
    page.locator("#curl summary").click()
    done = subprocess.run(
        ["sh", "-c", page.locator("#curl-line").inner_text()], cwd=tmp_path, check=True, capture_output=True
    )
    labels = json.loads(done.stdout)["results"][0]["labels"]
    assert {entry["label"] for entry in labels} == set(texts)
    expect_ranking(page, labels)


KEY = "a-key-of-the-line-0123456789"


@pytest.fixture(scope="module")
def closed_server(tmp_path_factory):
    """A server that requires a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys.write_text(f'[[key]]\nname = "line"\nkey = "{KEY}"\n')
    with serving(ROOT / "models" / "demo", "--api-keys-file", str(keys)) as url:
        yield url


def test_an_open_server_is_not_asked_for_a_key(page):
    expect(page.locator("#model")).not_to_be_empty()
    expect(page.locator("#key-form")).to_be_hidden()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_key_opens_a_closed_server_for_this_tab_alone(closed_server, browser, tmp_path):
    context = browser.new_context(base_url=closed_server)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#key-form")).to_be_visible()
    expect(page.locator("#error")).to_be_hidden()
    upload(page, drawn())
    page.locator("#texts").fill("\n".join(TEXTS))
    expect(page.locator("#status")).to_have_text("Waiting for the API key.")
    for wrong, words in (("a-wrong-key-0123456789", "does not know this key"), ("schlüssel 1", "one word")):
        page.locator("#key").fill(wrong)
        page.locator("#key").press("Enter")
        expect(page.locator("#key-error")).to_contain_text(words)
        expect(page.locator("#ranking li")).to_have_count(0)
    page.locator("#key").fill(f" {KEY} ")
    page.locator("#key-form button").click()
    expect(page.locator("#ranking .label")).to_have_count(len(TEXTS))
    expect(page.locator("#model")).not_to_be_empty()
    expect(page.locator("#key-form")).to_be_hidden()
    # The copied command works with the key and does not show it.
    page.locator("#curl summary").click()
    line = page.locator("#curl-line").inner_text()
    assert KEY not in line
    (tmp_path / "part.png").write_bytes(drawn())
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, check=True, capture_output=True, env={**os.environ, "KEY": KEY}
    )
    assert len(json.loads(done.stdout)["results"][0]["labels"]) == len(TEXTS)

    page.reload()
    expect(page.locator("#model")).not_to_be_empty()
    expect(page.locator("#key-form")).to_be_hidden()
    other = context.new_page()
    other.goto("/")
    expect(other.locator("#key-form")).to_be_visible()
    assert other.evaluate("localStorage.length") == 0
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_one_way_only(server, browser, scheme):
    context = browser.new_context(
        base_url=server, viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True
    )
    page = context.new_page()
    page.goto("/")
    upload(page, drawn(), "a-very-long-file-name-" * 8 + ".png")
    page.locator("#texts").fill("a red washer\n" + "unbroken" * 20)
    expect(page.locator("#ranking .label")).to_have_count(2)
    page.locator("#curl summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_without_scripts_the_page_explains_the_api(server, browser):
    context = browser.new_context(base_url=server, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("noscript pre")).to_contain_text("/v1/classify")
    expect(page.locator("noscript pre")).to_be_visible()
    expect(page.locator("main")).to_be_hidden()
    context.close()
