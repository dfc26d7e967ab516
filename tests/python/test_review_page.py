"""The page `/review`: a person decides about the parts of a line, by keys and by buttons."""

import re
import statistics

from tests.python.review_line import (
    KINDS,
    STATEMENTS,
    ask,
    expect,
    expect_part,
    expect_saved,
    inspect,
    is_shown,
    line_with,
    refused,
    reviewing,
    said,
    verdicts,
    wait_until,
)


def test_parts_are_decided_by_keyboard(server, browser):
    line, ids = line_with(server, 6)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        expect(page.locator("#why")).to_have_text(re.compile("no calibration yet"))
        page.keyboard.press("o")
        expect_part(page, 1)
        # A reason for OK is a digit before it.
        page.keyboard.press("2")
        page.keyboard.press("o")
        expect_part(page, 2)
        page.keyboard.press("n")
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        expect_part(page, 3)
        page.keyboard.press("c")
        page.keyboard.type("a long scratch; o n u z are letters here")
        page.keyboard.press("Enter")
        expect_part(page, 4)
        page.keyboard.press("u")
        expect_part(page, 5)
        # Escape leaves NG; nothing was said.
        page.keyboard.press("n")
        expect(page.locator("#ng-form")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#ng-form")).to_be_hidden()
        page.keyboard.press("o")
        expect(page.locator("#nothing")).to_have_text("Nothing waits for a person.")
        expect_saved(page)
    told = [verdicts(server, one) for one in ids]
    assert [[one["verdict"] for one in each] for each in told] == [
        ["ok"], ["ok"], ["ng"], ["ng"], ["unsure"], ["ok"],
    ]  # fmt: skip
    assert [each[0]["reason"] for each in told[:2]] == [None, "loose dirt"]
    # The caption is that of the chosen kind, unless the reviewer writes one.
    assert (told[2][0]["kind"], told[2][0]["caption"]) == (KINDS[1], STATEMENTS[1]["text"])
    assert (told[3][0]["kind"], told[3][0]["caption"]) == (None, "a long scratch; o n u z are letters here")


def test_the_buttons_do_what_the_keys_do(server, browser):
    line, ids = line_with(server, 4)
    with reviewing(server, browser, line, viewport={"width": 820, "height": 1180}, has_touch=True) as page:
        expect_part(page, 0)
        page.locator("#ok").tap()
        expect_part(page, 1)
        page.locator("#ng").tap()
        page.locator("#kinds .choice", has_text="dent").tap()
        page.locator("#confirm-ng").tap()
        expect_part(page, 2)
        page.locator("#unsure").tap()
        expect_part(page, 3)
        page.locator("#undo").tap()
        expect_part(page, 2)
        page.locator("#ok").tap()
        expect_part(page, 3)
        expect_saved(page)
    assert [said(server, one)[-1] for one in ids[:3]] == ["ok", "ng", "ok"]
    assert verdicts(server, ids[1])[0]["kind"] == "dent"
    assert said(server, ids[3]) == []


def test_a_kind_of_ones_own(server, browser):
    line, ids = line_with(server, 1)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.keyboard.press("n")
        page.locator("#other-kind").fill("rust")
        page.keyboard.press("Enter")
        expect(page.locator("#nothing")).to_be_visible()
        expect_saved(page)
    assert verdicts(server, ids[0])[0]["kind"] == "rust"


def test_the_next_parts_are_loaded_ahead(server, browser):
    line, ids = line_with(server, 6)
    with reviewing(server, browser, line) as page:
        loaded = set()
        page.on("requestfinished", lambda request: loaded.add(request.url.removeprefix(server)))
        page.reload()
        expect_part(page, 0)
        wait_until(
            page,
            """(ids) => {
                const loaded = performance.getEntriesByType("resource").filter((one) => one.responseEnd > 0);
                const has = (id, kind) => loaded.some((one) => one.name.includes(`/${id}/${kind}`));
                return ids.every((id) => has(id, "image") && has(id, "reference"));
            }""",
            ids[:4],
        )
        page.wait_for_timeout(300)
        # No picture can be loaded from here on; those that are loaded are shown in the same moment.
        page.route("**/v1/inspections/*/image*", lambda route: route.abort())
        for number in (1, 2, 3):
            page.evaluate(
                "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'o', bubbles: true}))"
            )
            assert is_shown(page) == {"name": f"P-{number}", "width": 240}
        asked = [url for url in loaded if "/image" in url]
        assert len(asked) >= 4


def test_the_last_decisions_are_undone_one_by_one(server, browser):
    line, ids = line_with(server, 5)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        expect(page.locator("#undo")).to_be_disabled()
        for number in (1, 2, 3):
            page.keyboard.press("o")
            expect_part(page, number)
        expect_saved(page)
        page.keyboard.press("z")
        expect_part(page, 2)
        page.keyboard.press("z")
        expect_part(page, 1)
        expect_saved(page)
        assert [said(server, one) for one in ids[:3]] == [["ok"], ["ok", "undone"], ["ok", "undone"]]
        # They are this reviewer's again, and in their order.
        page.keyboard.press("n")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect_part(page, 2)
        page.keyboard.press("u")
        expect_part(page, 3)
        expect_saved(page)
        expect(page.locator("#notices .notice")).to_have_count(0)
    assert [said(server, one) for one in ids] == [
        ["ok"],
        ["ok", "undone", "ng"],
        ["ok", "undone", "unsure"],
        [],
        [],
    ]


def test_an_undo_at_once_is_not_overtaken(server, browser):
    line, ids = line_with(server, 3)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        for _ in range(4):
            page.keyboard.press("o")
            page.keyboard.press("z")
        expect_part(page, 0)
        page.keyboard.press("n")
        page.keyboard.press("Enter")
        expect_part(page, 1)
        expect_saved(page)
        expect(page.locator("#notices .notice")).to_have_count(0)
    assert said(server, ids[0])[-1] == "ng"
    history = said(server, ids[0])[:-1]
    assert history == ["ok", "undone"] * (len(history) // 2)
    assert said(server, ids[1]) == []


def test_two_reviewers_never_see_the_same_part(server, browser):
    line, ids = line_with(server, 14)
    seen = {"first": [], "second": []}
    with reviewing(server, browser, line) as first, reviewing(server, browser, line) as second:
        pages = {"first": first, "second": second}
        for _ in range(14):
            for name, page in pages.items():
                expect(page.locator("#part-name, #nothing:visible").first).not_to_be_empty()
                if page.locator("#work").is_hidden():
                    continue
                expect(page.locator("#part-pane .picture")).to_be_visible()
                seen[name].append(is_shown(page)["name"])
                page.keyboard.press("o")
        for page in pages.values():
            expect_saved(page)
            expect(page.locator("#notices .notice")).to_have_count(0)
    assert not set(seen["first"]) & set(seen["second"])
    assert min(map(len, seen.values())) >= 4
    decided = [said(server, one) for one in ids]
    assert decided.count(["ok"]) == len(set(seen["first"]) | set(seen["second"]))
    assert all(each in ([], ["ok"]) for each in decided)


def test_a_page_that_is_left_gives_its_parts_back(server, browser):
    line, _ = line_with(server, 3)
    with reviewing(server, browser, line) as first:
        expect_part(first, 0)
        with reviewing(server, browser, line) as second:
            expect(second.locator("#nothing")).to_have_text("Nothing waits for a person.")
            first.goto("about:blank")
            second.wait_for_timeout(500)
            second.locator("#look-again").click()
            expect_part(second, 0)


def test_parts_that_come_later_are_found(server, browser):
    line, _ = line_with(server, 0)
    with reviewing(server, browser, line) as page:
        expect(page.locator("#nothing")).to_have_text("Nothing waits for a person.")
        inspect(server, line, 7)
        # The page looks again by itself.
        expect_part(page, 7)


def test_filters_choose_the_parts(server, browser):
    line, _ = line_with(server, 12)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.locator("#lot").fill("lot-1")
        page.locator("#lot").press("Enter")
        expect_part(page, 10)
        page.locator("#lot").fill("")
        page.locator("#lot").press("Tab")
        expect_part(page, 0)
        page.get_by_label("Random checks").check()
        expect(page.locator("#nothing")).to_be_visible()
        page.get_by_label("Line is unsure").check()
        expect_part(page, 0)


def test_the_next_part_is_painted_at_once(server, browser):
    line, _ = line_with(server, 21)
    with reviewing(server, browser, line) as page:
        for number in range(20):
            expect_part(page, number)
            page.wait_for_timeout(150)
            page.keyboard.press("o")
        expect_part(page, 20)
        expect_saved(page)
        taken = page.evaluate("performance.getEntriesByName('next-part').map((one) => one.duration)")
    assert len(taken) == 20
    print(f"key to next part: median {statistics.median(taken):.0f} ms, longest {max(taken):.0f} ms")
    assert statistics.median(taken) < 500


def transform(page, pane):
    return page.locator(f"#{pane} .stage").evaluate("(stage) => stage.style.transform")


def test_both_pictures_zoom_as_one(server, browser):
    line, _ = line_with(server, 2)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        before = transform(page, "part-pane")
        assert before == transform(page, "reference-pane")
        pane = page.locator("#part-pane").bounding_box()
        page.mouse.move(pane["x"] + pane["width"] * 0.7, pane["y"] + pane["height"] * 0.5)
        page.mouse.wheel(0, -300)
        page.mouse.wheel(0, -300)
        zoomed = transform(page, "part-pane")
        assert zoomed != before and zoomed == transform(page, "reference-pane")
        page.mouse.down()
        page.mouse.move(pane["x"] + pane["width"] * 0.4, pane["y"] + pane["height"] * 0.6, steps=4)
        page.mouse.up()
        moved = transform(page, "reference-pane")
        assert moved != zoomed and moved == transform(page, "part-pane")
        page.keyboard.press("+")
        page.keyboard.press("ArrowLeft")
        assert transform(page, "part-pane") == transform(page, "reference-pane") != moved
        page.keyboard.press("0")
        assert transform(page, "part-pane") == before
        expect(page.locator("#zoom")).to_have_text("100 %")
        # The next part is seen as a whole again.
        page.keyboard.press("+")
        page.keyboard.press("o")
        expect_part(page, 1)
        expect(page.locator("#zoom")).to_have_text("100 %")
        expect_saved(page)


def test_a_good_part_becomes_a_reference_from_the_history(server, browser):
    line, ids = line_with(server, 2)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.keyboard.press("o")
        expect_saved(page)
        page.locator("#to-history").click()
        rows = page.locator("#inspections .inspection")
        expect(rows).to_have_count(2)
        # One has no verdict yet.
        button = page.get_by_role("button", name="Add to references")
        expect(button).to_have_count(1)
        button.click()
        said = page.locator(".add-reference [role=status]")
        expect(said).to_contain_text("from version 2 on")
        expect(button).to_have_count(0)
        expect(page.locator("#notices .notice")).to_have_count(0)
    now = ask(server, "GET", f"/v1/lines/{line}")
    assert now["version"] == 2
    reference = ask(server, "GET", f"/v1/references/{now['reference']}")
    assert reference["images"] == 2
    again = refused(server, "POST", f"/v1/lines/{line}/references", {"inspections": [ids[0]]})
    assert again == (400, "invalid_request")
