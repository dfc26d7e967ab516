"""The page `/review`: the pictures, the history of a part, and the dashboard."""

import re

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
    wait_until,
)


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
        wait_until(page, "document.querySelector('#part-inspections img').naturalWidth === 240")
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


def test_the_page_of_a_line_that_is_gone_says_so(server, browser):
    line_with(server, 1)
    with reviewing(server, browser, f"gone-{next(numbers)}") as page:
        expect(page.locator("#notices")).to_contain_text("The server has no line gone-")
