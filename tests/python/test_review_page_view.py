"""The page `/review`: pictures, history, dashboard, languages, keys, and what people need who see or hear less."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.python.conftest import ROOT, serving
from tests.python.review_line import (
    ask,
    expect,
    expect_part,
    expect_saved,
    line_with,
    numbers,
    plate,
    reviewing,
    verdicts,
)

SECTIONS = ["queue", "dashboard", "history"]


def test_blink_shows_the_reference_in_the_place_of_the_part(server, browser):
    line, _ = line_with(server, 2)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.keyboard.press("b")
        expect(page.locator("#reference-pane")).to_be_visible()
        expect(page.locator("#part-pane")).to_be_hidden()
        at = page.locator("#reference-pane").bounding_box()
        page.keyboard.press("b")
        expect(page.locator("#part-pane")).to_be_visible()
        expect(page.locator("#reference-pane")).to_be_hidden()
        assert page.locator("#part-pane").bounding_box() == at
        # The next part is seen before its reference: nobody decides about a part that is covered.
        page.keyboard.press("b")
        expect(page.locator("#part-pane")).to_be_hidden()
        page.keyboard.press("o")
        expect(page.locator("#part-name")).to_have_text("P-1")
        expect(page.locator("#part-pane")).to_be_visible()
        expect_saved(page)
        page.keyboard.press("s")
        expect(page.locator("#part-pane")).to_be_visible()
        expect(page.locator("#reference-pane")).to_be_visible()


def test_the_map_is_drawn_when_it_is_wanted(server, browser):
    line, _ = line_with(server, 3)
    with reviewing(server, browser, line) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url) if "/map?" in request.url else None)
        expect_part(page, 0)
        page.wait_for_timeout(500)
        assert asked == []
        page.keyboard.press("m")
        expect(page.locator("#part-pane .map")).to_be_visible()
        sizes = page.locator("#part-pane .stage img").evaluate_all(
            "all => all.map((i) => [i.width, i.height])"
        )
        assert len(sizes) == 2 and sizes[0] == sizes[1]
        # The maps of the next parts are loaded ahead from now on.
        page.keyboard.press("o")
        expect_part(page, 1)
        expect(page.locator("#part-pane .map")).to_be_visible()
        page.keyboard.press("m")
        expect(page.locator("#part-pane .map")).to_have_count(0)
        expect_saved(page)


def test_regions_and_views_of_a_part(server, browser):
    line, _ = line_with(server, 0)
    body = b"".join(
        b'--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
        + plate(mark)
        + b"\r\n"
        for mark in (1, 2)
    )
    body += b'--x\r\ncontent-disposition: form-data; name="part"\r\n\r\nP-0\r\n--x--\r\n'
    ask(server, "POST", f"/v1/lines/{line}/inspections", body, "multipart/form-data; boundary=x")
    box = {"x": 60, "y": 50, "width": 40, "height": 30, "strength": 2.0}

    def with_regions(route):
        answer = route.fetch().json()
        for item in answer["data"]:
            item["regions"] = [{"image": 0, **box}, {"image": 1, **box}, {"image": 1, **box, "x": 120}]
        route.fulfill(json=answer)

    with reviewing(server, browser, line, routes={"**/reviews": with_regions}) as page:
        expect_part(page, 0)
        expect(page.locator("#view-number")).to_have_text("Image 1 of 2")
        expect(page.locator("#part-pane .box")).to_have_count(1)
        first = page.locator("#part-pane .picture").get_attribute("src")
        page.keyboard.press("]")
        expect(page.locator("#view-number")).to_have_text("Image 2 of 2")
        expect(page.locator("#part-pane .box")).to_have_count(2)
        assert page.locator("#part-pane .picture").get_attribute("src") != first
        page.keyboard.press("r")
        expect(page.locator("#part-pane .box")).to_have_count(0)
        page.keyboard.press("[")
        expect(page.locator("#view-number")).to_have_text("Image 1 of 2")


def test_a_random_check_hides_what_the_line_decided(server, browser):
    line, _ = line_with(server, 1)

    def as_check(route):
        answer = route.fetch().json()
        for item in answer["data"]:
            item |= {"decision": "ok", "reasons": [], "audit": True, "p_ok": 0.5, "p_ng": 0.01, "score": 1.0}
        route.fulfill(json=answer)

    with reviewing(server, browser, line, routes={"**/reviews": as_check}) as page:
        expect_part(page, 0)
        expect(page.locator("#why")).to_contain_text("A random check of an automatic decision.")
        expect(page.locator("#score")).to_be_hidden()


def test_the_history_of_a_part(server, browser):
    line, ids = line_with(server, 2)
    body = {"verdict": "ng", "kind": "dent", "caption": "a dent at the edge"}
    ask(server, "POST", f"/v1/inspections/{ids[0]}/verdict", body)
    again = ask(server, "POST", f"/v1/lines/{line}/inspections?part=P-0", plate(5), "image/png")["id"]
    with reviewing(server, browser, line) as page:
        expect_part(page, 1)
        page.keyboard.press("h")
        expect(page.locator("#part-history-note")).to_have_text(
            "There are no earlier inspections of this part."
        )
        page.keyboard.press("o")
        expect_part(page, 0)
        entry = page.locator("#part-inspections li")
        expect(entry).to_have_count(1)
        expect(entry.locator(".verdicts")).to_contain_text("NG dent · a dent at the edge")
        page.wait_for_function("document.querySelector('#part-inspections img').naturalWidth === 240")
        page.keyboard.press("o")
        expect_saved(page)
        page.locator("#to-history").click()
        expect(page.locator("#inspections li")).to_have_count(3)
        page.locator("#find-part").fill("P-1")
        page.locator("#find-part").press("Enter")
        expect(page.locator("#inspections li")).to_have_count(1)
    assert [one["verdict"] for one in verdicts(server, again)] == ["ok"]


def test_the_dashboard_shows_what_the_server_says(server, browser):
    line, ids = line_with(server, 5)
    for inspection in ids[:2]:
        ask(server, "POST", f"/v1/inspections/{inspection}/verdict", {"verdict": "ok"})
    with reviewing(server, browser, line, "dashboard") as page:
        found = ask(server, "GET", f"/v1/lines/{line}/dashboard?days=7")
        inspections = sum(bucket["inspections"] for bucket in found["buckets"])
        expect(page.locator("#cards")).to_contain_text(
            re.compile(rf"of {inspections:,} inspections went to review")
        )
        expect(page.locator("#cards svg")).to_have_count(2)
        expect(page.locator("#as-of")).to_contain_text(str(found["waiting"]))
        missing = found["parts"]["ng_needed"] - found["parts"]["ng"]
        expect(page.locator("#cards")).to_contain_text(f"{missing} more NG parts")
        page.locator("#cards summary").click()
        # All days are in the table, those without an inspection too.
        rows = page.locator("#cards details tbody tr")
        expect(rows).to_have_count(8)
        counted = [int(text.replace(",", "")) for text in rows.locator("td:nth-child(2)").all_inner_texts()]
        assert sum(counted) == inspections
        page.locator("#days").select_option("1")
        expect(rows).to_have_count(25)


def test_both_languages_say_everything(server, browser):
    line, _ = line_with(server, 2)
    with reviewing(server, browser, line, locale="ja-JP") as page:
        expect_part(page, 0)
        expect(page.locator("html")).to_have_attribute("lang", "ja")
        expect(page.locator("#confirm-ng")).to_contain_text("NG を確定")
        japanese = page.locator("body").inner_text()
        page.locator("#language").select_option("en")
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("#why")).to_contain_text("no calibration yet")
        english = page.locator("body").inner_text()
        assert re.findall(r"[\u3040-\u30ff]", english.replace("日本語", "")) == [] and japanese != english
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        names = page.evaluate(
            """async () => {
                const [{ en }, { ja }] = await Promise.all([import("/review/en.js"), import("/review/ja.js")]);
                const types = (texts) => Object.entries(texts).map(([name, text]) => [name, typeof text]);
                const nodes = [...document.querySelectorAll("[data-t], [data-t-label], [data-t-placeholder]")];
                const used = nodes.flatMap(({ dataset }) => [dataset.t, dataset.tLabel, dataset.tPlaceholder]);
                return [types(en), types(ja), used.filter(Boolean)].map((list) => list.toSorted());
            }"""
        )
        # Both have the same texts, and the same of them take values.
        assert names[0] == names[1]
        assert set(names[2]) <= {name for name, _ in names[0]}


@pytest.mark.skipif(
    find_spec("axe_playwright_python") is None, reason="axe-playwright-python is not installed"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
def test_axe_finds_nothing_serious(server, browser, scheme, locale):
    line, ids = line_with(server, 3)
    ask(server, "POST", f"/v1/inspections/{ids[0]}/verdict", {"verdict": "ok"})
    axe = (Path(find_spec("axe_playwright_python").origin).parent / "axe.min.js").read_text()
    with reviewing(server, browser, line, locale=locale, color_scheme=scheme) as page:
        expect_part(page, 1)
        found = {}
        for state, keys in (("part", []), ("ng", ["h", "m", "n"]), ("help", ["Escape", "?"])):
            for key in keys:
                page.keyboard.press(key)
            found[state] = violations(page, axe)
        page.keyboard.press("Escape")
        for section in SECTIONS[1:]:
            page.locator(f"#to-{section}").click()
            expect(page.locator("#cards section, #inspections li").first).to_be_attached()
            found[section] = violations(page, axe)
    assert {state: serious for state, serious in found.items() if serious} == {}


def violations(page, axe) -> list[str]:
    """What is wrong on the page, seriously or critically."""
    page.wait_for_timeout(300)
    # The policy of the page allows no script from elsewhere; the browser's own tools may run one.
    page.evaluate(axe)
    results = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in results["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
def test_a_tablet_scrolls_one_way_and_has_large_targets(server, browser, locale):
    line, _ = line_with(server, 1)
    size = {"width": 768, "height": 1024}
    with reviewing(server, browser, line, viewport=size, has_touch=True, locale=locale) as page:
        expect_part(page, 0)
        page.locator("#ng").tap()
        for section in SECTIONS:
            page.locator(f"#to-{section}").tap()
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= 768
            small = page.evaluate(
                """() => [...document.querySelectorAll("button, select, nav a, input:not([type=radio]), summary")]
                    .filter((node) => node.checkVisibility())
                    .map((node) => [node.id || node.textContent, node.getBoundingClientRect()])
                    .filter(([, { width, height }]) => height < 44 || width < 44).map(([name]) => name)"""
            )
            assert small == []


KEY = "a-key-of-a-reviewer-0123456789"
CAMERA_KEY = "a-key-of-a-camera-01234567890"
ADMIN_KEY = "a-key-of-an-engineer-0123456789"


def test_a_key_with_the_role_review_opens_the_page(browser, tmp_path):
    keys = tmp_path / "keys.toml"
    entries = {
        "sato": (KEY, ["review"]),
        "camera": (CAMERA_KEY, ["inspect"]),
        "engineer": (ADMIN_KEY, ["admin", "inspect"]),
    }
    keys.write_text(
        "".join(
            f'[[key]]\nname = "{who}"\nkey = "{key}"\nroles = {roles!r}\n'
            for who, (key, roles) in entries.items()
        )
    )
    with serving(ROOT / "models" / "demo", "--api-keys-file", str(keys)) as server:
        line, ids = line_with(server, 2, key=ADMIN_KEY)
        with reviewing(server, browser, line) as page:
            expect(page.locator("#key-form")).to_be_visible()
            for wrong, words in (
                ("a-wrong-key-0123456789", "does not know this key"),
                ("schlüssel 1", "one word"),
                (CAMERA_KEY, "lacks the role review"),
            ):
                page.locator("#key").fill(wrong)
                page.locator("#key").press("Enter")
                expect(page.locator("#key-error")).to_contain_text(words)
            page.locator("#key").fill(KEY)
            page.locator("#key").press("Enter")
            expect_part(page, 0)
            expect(page.locator("#key-form")).to_be_hidden()
            page.keyboard.press("Escape")
            page.locator("#ok").click()
            expect_part(page, 1)
            expect_saved(page)
            assert page.evaluate("JSON.stringify(localStorage)").find(KEY) == -1
        told = ask(server, "GET", f"/v1/inspections/{ids[0]}", key=KEY)["verdicts"]
        assert [(one["verdict"], one["who"]) for one in told] == [("ok", "sato")]


def test_the_page_of_a_line_that_is_gone_says_so(server, browser):
    line_with(server, 1)
    with reviewing(server, browser, f"gone-{next(numbers)}") as page:
        expect(page.locator("#notices")).to_contain_text("The server has no line gone-")
