"""The maps of the first tab and the second tab, "What has changed?", in headless Chromium with the real server."""

import base64
import io
import json
import re

import pytest
from PIL import Image

from tests.python.conftest import ROOT
from tests.python.test_page import drawn, upload

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

GEAR = (ROOT / "models/demo/samples/1.webp").read_bytes()


def png_of(page, selector: str) -> Image.Image:
    source = page.locator(selector).get_attribute("src")
    return Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))))


def test_each_description_has_its_map_over_the_picture(page):
    page.locator("#texts").fill("a bottle\na green gear")
    page.locator("#file").set_input_files({"name": "gear.webp", "mimeType": "image/webp", "buffer": GEAR})
    expect(page.locator("#ranking li")).to_have_count(2)
    expect(page.locator("#ranking figure")).to_have_count(0)
    page.locator("#maps").check()
    expect(page.locator("#ranking figure")).to_have_count(2)
    expect(page.locator("#ranking .best .map")).to_have_attribute("alt", "where “a green gear” holds")
    map_ = png_of(page, "#ranking .best .map").convert("RGBA")
    assert map_.size == Image.open(io.BytesIO(GEAR)).size
    # The gear lies in the left half; what is coloured lies around it.
    left, top, right, bottom = map_.getchannel("A").getbbox()
    assert left < 0.35 * map_.width < right and top < 0.5 * map_.height < bottom
    expect(page.locator("#ranking .best .box").first).to_be_visible()
    expect(page.locator("#maps-legend")).to_be_visible()
    # Picture, map and boxes are layers of one size.
    sizes = page.locator("#ranking .best .layers img").evaluate_all(
        "all => all.map((i) => [i.width, i.height])"
    )
    assert len(sizes) == 2 and sizes[0] == sizes[1]
    page.locator("#maps").uncheck()
    expect(page.locator("#ranking figure")).to_have_count(0)


def test_a_model_without_patches_says_so(page):
    error = {"error": {"code": "model_has_no_patches", "message": "it has no patches", "param": "model"}}
    page.route("**/v1/explain", lambda route: route.fulfill(status=400, json=error))
    page.locator("#texts").fill("a gear\na bolt")
    page.locator("#maps").check()
    upload(page, drawn())
    expect(page.locator("#maps-note")).to_have_text("No maps: it has no patches")
    expect(page.locator("#ranking li")).to_have_count(2)


PNG = base64.b64encode(drawn("yellow")).decode()
ANSWER = {
    "model": "clip-in-demo",
    "reference": {"name": None, "version": None},
    "results": [
        {
            "index": 0,
            "changed": {
                "score": 1.834,
                "rank": 0.987,
                "parts": {"patches": {"stride4": 1.9}, "embedding": None},
            },
            "registration": {"status": "aligned", "score": 0.94, "transform": [[1, 0, 2], [0, 1, 0]]},
            "regions": [{"x": 40, "y": 30, "width": 20, "height": 10, "strength": 3.14}],
            "statements": [
                {"index": 1, "text": "<b>a scratch</b>", "score": 0.93, "parts": {"text_difference": 0.12}},
                {"index": 0, "text": "nothing", "score": 0.2, "parts": {}},
            ],
            "map": PNG,
        }
    ],
    "usage": {"prompt_tokens": 9, "total_tokens": 9, "truncated_tokens": 0},
}


@pytest.fixture
def comparing(page):
    """The second tab, with an answer in the shape of the API; what the page asked for."""
    asked = []

    def answer(route):
        asked.append(json.loads(route.request.post_data))
        route.fulfill(json=ANSWER)

    page.route("**/v1/compare", answer)
    page.locator("#tab-compare").click()
    expect(page.locator("#describe")).to_be_hidden()
    return page, asked


def choose(page, which, image: bytes):
    page.locator(f"#{which}-file").set_input_files(
        {"name": f"{which}.png", "mimeType": "image/png", "buffer": image}
    )


def test_a_comparison_is_asked_for_and_shown(comparing):
    page, asked = comparing
    expect(page.locator("#compare-status")).to_have_text("Waiting for a reference and an image.")
    choose(page, "reference", drawn("white"))
    expect(page.locator("#compare-status")).to_have_text("Waiting for an image.")
    page.locator("#statements").fill("nothing\n\n <b>a scratch</b>")
    choose(page, "other", drawn("grey"))
    expect(page.locator("#statement-scores .label")).to_have_text(["<b>a scratch</b>", "nothing"])
    question = asked[-1]
    assert question["statements"] == ["nothing", "<b>a scratch</b>"] and question["map"] is True
    pictures = [question["references"], question["images"]]
    for [picture], color in zip(pictures, ("white", "grey"), strict=True):
        assert base64.b64decode(picture.split(",")[1]) == drawn(color)
    expect(page.locator("#changed .label")).to_have_text("More changed than 98.7 % of good pictures")
    expect(page.locator("#registration")).to_contain_text("moved onto the reference")
    page.locator("#changed summary").click()
    expect(page.locator("#changed th")).to_have_text(["patches · stride4", "embedding"])
    expect(page.locator("#changed td")).to_have_text(["1.9", "–"])
    expect(page.locator("#other-pane .map")).to_be_visible()
    box, stage = (page.locator(f"#other-pane {name}").bounding_box() for name in (".box", ".stage"))
    assert box["x"] - stage["x"] == pytest.approx(40 / 160 * stage["width"], abs=2)
    assert box["height"] == pytest.approx(10 / 120 * stage["height"], abs=4)


def test_both_pictures_zoom_as_one(comparing):
    page, _ = comparing
    choose(page, "reference", drawn("white"))
    choose(page, "other", drawn("grey"))
    expect(page.locator("#places button")).to_have_count(1)

    def transforms():
        return page.locator(".stage").evaluate_all("all => all.map((stage) => stage.style.transform)")

    fitted = transforms()
    assert fitted[0] == fitted[1]
    page.locator("#other-pane").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#zoom")).to_have_text("125 %")
    zoomed = transforms()
    assert zoomed[0] == zoomed[1] != fitted[0]
    page.locator("#places button").click()
    # The box is 20 of 160 pixels wide: 0.4 / 0.125.
    expect(page.locator("#zoom")).to_have_text("320 %")
    page.keyboard.press("0")
    assert transforms() == fitted
    # Keys that are typed stay text.
    page.locator("#statements").press_sequentially("123 +-0m")
    expect(page.locator("#statements")).to_have_value("123 +-0m")
    expect(page.locator("#panes")).to_have_attribute("data-view", "beside")


def test_slider_blink_and_map_opacity(comparing):
    page, _ = comparing
    choose(page, "reference", drawn("white"))
    choose(page, "other", drawn("grey"))
    expect(page.locator("#other-pane .map")).to_be_visible()
    page.locator("#other-pane").focus()
    page.keyboard.press("2")
    expect(page.locator("#panes")).to_have_attribute("data-view", "slider")
    page.locator("#split").fill("25")
    panes = [page.locator(f"#{name}-pane").bounding_box() for name in ("reference", "other")]
    assert panes[0] == panes[1]
    clip = page.locator("#reference-pane").evaluate("pane => getComputedStyle(pane).clipPath")
    assert "25%" in clip or "75%" in clip
    page.locator("#other-pane").focus()
    page.keyboard.press("m")
    assert page.locator("#other-pane .map").evaluate("map => getComputedStyle(map).opacity") == "0"
    page.keyboard.press("3")
    expect(page.locator("#panes")).to_have_class(re.compile("reference-on-top"))
    expect(page.locator("#panes")).not_to_have_class(re.compile("reference-on-top"))
    page.keyboard.press(" ")
    expect(page.locator("#hold")).to_have_attribute("aria-pressed", "true")


def test_a_sample_is_compared_with_its_scratched_copy(comparing):
    page, asked = comparing
    page.locator("#compare-sample-list button").nth(1).click()
    expect(page.locator("#places button")).to_have_count(1)
    reference, image = (
        Image.open(io.BytesIO(base64.b64decode(asked[-1][name][0].split(",")[1]))).convert("RGB")
        for name in ("references", "images")
    )
    assert reference.size == image.size
    changed = sum(a != b for a, b in zip(reference.tobytes(), image.tobytes(), strict=True))
    assert 600 < changed < 0.15 * reference.width * reference.height


def test_tabs_by_keyboard_and_by_link(page):
    page.locator("#tab-describe").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-compare")).to_be_focused()
    expect(page.locator("#compare")).to_be_visible()
    page.reload()
    expect(page.locator("#compare")).to_be_visible()
    expect(page.locator("#describe")).to_be_hidden()


def test_a_server_that_cannot_compare_is_named(page):
    error = {"error": {"code": "not_found", "message": "unknown path", "param": None}}
    page.route("**/v1/compare", lambda route: route.fulfill(status=404, json=error))
    page.locator("#tab-compare").click()
    choose(page, "reference", drawn("white"))
    choose(page, "other", drawn("grey"))
    expect(page.locator("#compare-error")).to_contain_text("This server cannot compare")
