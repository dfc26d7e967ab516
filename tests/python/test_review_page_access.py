"""The page `/review` for everyone: languages, tablets, API keys, and what people need who see or hear less."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.python.conftest import ROOT, serving
from tests.python.review_line import ask, expect, expect_part, expect_saved, line_with, reviewing

SECTIONS = ["queue", "dashboard", "history"]


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
