"""The page `/review` when something fails: no verdict is lost, none is stored twice, and the reviewer is told."""

import json
import random
import time

import pytest

from tests.python.review_line import (
    ask,
    expect,
    expect_part,
    expect_saved,
    is_shown,
    line_with,
    refused,
    reviewing,
    said,
)

VERDICT = "**/v1/inspections/*/verdict"


def go_offline(page, is_offline: bool):
    """Takes the network from the page, as when a cable is pulled."""
    session = page.context.new_cdp_session(page)
    conditions = {"offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", conditions)
    return session


def test_decisions_outlive_a_lost_connection(server, browser):
    line, ids = line_with(server, 8)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.wait_for_timeout(500)
        claims = []
        page.on("request", lambda sent: claims.append(sent.url) if sent.url.endswith("/reviews") else None)
        held = go_offline(page, True)
        since = time.monotonic()
        for number in (1, 2, 3):
            page.keyboard.press("o")
            expect_part(page, number)
        # An undo waits in its place, too.
        page.keyboard.press("z")
        expect_part(page, 2)
        page.keyboard.press("u")
        expect_part(page, 3)
        expect(page.locator("#banner")).to_contain_text("kept in this tab")
        expect(page.locator("#saved")).to_have_attribute("data-state", "kept")
        assert [said(server, one) for one in ids[:3]] == [[], [], []]
        # A page that nothing answers waits before it asks again: two seconds, but for what the reviewer does.
        page.wait_for_timeout(4000)
        assert len(claims) <= 6 + (time.monotonic() - since) / 2, len(claims)
        go_offline(page, False)
        held.detach()
        expect(page.locator("#banner")).to_be_hidden()
        expect_saved(page)
        page.keyboard.press("o")
        expect_part(page, 4)
        expect_saved(page)
        expect(page.locator("#notices .notice")).to_have_count(0)
    told = [said(server, one) for one in ids]
    assert told == [["ok"], ["ok"], ["unsure"], ["ok"], [], [], [], []]


def test_a_lost_answer_leaves_one_verdict(server, browser):
    line, ids = line_with(server, 3)
    keys = []

    def lose_the_first(route):
        keys.append(route.request.headers.get("idempotency-key"))
        if len(keys) == 1:
            # The server has stored it; the page does not learn that.
            route.fetch()
            route.abort()
        else:
            route.continue_()

    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.route(VERDICT, lose_the_first)
        page.keyboard.press("n")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect_part(page, 1)
        expect_saved(page)
        expect(page.locator("#notices .notice")).to_have_count(0)
    assert len(keys) == 2 and keys[0] == keys[1] and len(keys[0]) >= 16
    assert said(server, ids[0]) == ["ng"]


def test_a_lost_undo_does_not_undo_what_someone_else_says(server, browser):
    line, ids = line_with(server, 2)
    lost = []

    def lose_the_first(route):
        if route.request.method == "DELETE" and not lost:
            lost.append(route.request.url)
            route.fetch()
            # Meanwhile someone else decides.
            ask(server, "POST", f"/v1/inspections/{ids[0]}/verdict", {"verdict": "ng"})
            route.abort()
        else:
            route.continue_()

    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.keyboard.press("o")
        expect_part(page, 1)
        expect_saved(page)
        page.route(VERDICT, lose_the_first)
        page.keyboard.press("z")
        expect_saved(page)
        # The part is not this reviewer's any more.
        expect_part(page, 1)
    assert lost
    assert said(server, ids[0]) == ["ok", "undone", "ng"]


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_gets_the_decision_again(server, browser, status):
    line, ids = line_with(server, 3)
    answers = []

    def refuse_the_first(route):
        answers.append(route.request.post_data)
        if len(answers) == 1:
            error = {
                "error": {"code": "reviews_unavailable", "message": "the database is away", "param": None}
            }
            route.fulfill(status=status, json=error, headers={"retry-after": "1"})
        else:
            route.continue_()

    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.route(VERDICT, refuse_the_first)
        page.keyboard.press("o")
        expect(page.locator("#banner")).to_contain_text("the database is away")
        expect_part(page, 1)
        expect_saved(page)
        expect(page.locator("#banner")).to_be_hidden()
    assert said(server, ids[0]) == ["ok"]


# Each request waits before it is sent, and each answer before it is read, by a seed.
SLOW_NETWORK = """
    let seed = 1 + SEED;
    const next = () => { seed = (seed * 48271) % 2147483647; return seed / 2147483647; };
    const wait = () => new Promise((done) => setTimeout(done, 150 * next() ** 2));
    const real = window.fetch;
    window.fetch = async (...what) => {
        await wait();
        const answer = await real(...what);
        await wait();
        return answer;
    };
"""


@pytest.mark.parametrize("seed", range(3))
def test_keys_pressed_quickly_on_a_slow_network_lose_nothing(server, browser, seed):
    line, ids = line_with(server, 6)
    draw = random.Random(seed)
    with reviewing(server, browser, line) as page:
        page.add_init_script(SLOW_NETWORK.replace("SEED", str(seed)))
        page.reload()
        expect_part(page, 0)
        decided = 0
        for _ in range(40):
            is_undo = decided > 0 and (decided == 3 or draw.random() < 0.5)
            # The page ignores a decision until the picture of the part is loaded.
            if not is_undo:
                expect(page.locator("#part-pane .picture")).to_be_visible()
            page.keyboard.press("z" if is_undo else "o")
            decided += -1 if is_undo else 1
            assert is_shown(page)["name"] == f"P-{decided}"
            page.wait_for_timeout(draw.choice([0, 0, 20, 80]))
        expect_saved(page)
        expect_part(page, decided)
        expect(page.locator("#notices .notice")).to_have_count(0)
    for number, one in enumerate(ids):
        last = said(server, one)[-1:]
        assert last == ["ok"] if number < decided else last in ([], ["undone"])


def test_unsaved_decisions_outlive_a_reload_and_leaving_warns(server, browser):
    line, ids = line_with(server, 4)
    dialogs = []
    with reviewing(server, browser, line) as page:
        page.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.accept()))
        expect_part(page, 0)
        page.route(VERDICT, lambda route: route.abort())
        page.keyboard.press("o")
        expect_part(page, 1)
        page.keyboard.press("u")
        expect_part(page, 2)
        expect(page.locator("#banner")).to_contain_text("2 decisions are kept")
        assert [said(server, one) for one in ids[:2]] == [[], []]
        page.unroute(VERDICT)
        page.reload()
        expect_saved(page)
        expect_part(page, 2)
        expect(page.locator("#notices .notice")).to_have_count(0)
    assert dialogs == ["beforeunload"]
    assert [said(server, one) for one in ids] == [["ok"], ["unsure"], [], []]


def test_what_someone_else_decided_is_told_and_the_page_goes_on(server, browser):
    line, ids = line_with(server, 3)
    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        ask(server, "POST", f"/v1/inspections/{ids[0]}/verdict", {"verdict": "ng"})
        assert refused(server, "POST", f"/v1/inspections/{ids[0]}/verdict", {"verdict": "ok"}) == (
            409,
            "verdict_exists",
        )
        page.keyboard.press("o")
        expect_part(page, 1)
        expect(page.locator("#notices .notice")).to_contain_text("Someone else has decided about P-0")
        # It is not this reviewer's decision, so it cannot be undone here.
        expect_saved(page)
        page.keyboard.press("z")
        expect_part(page, 1)
        page.keyboard.press("o")
        expect_part(page, 2)
        expect_saved(page)
    assert [said(server, one) for one in ids] == [["ng"], ["ok"], []]


def test_a_refused_decision_comes_back(server, browser):
    line, ids = line_with(server, 2)
    refusals = []

    def refuse_the_first(route):
        refusals.append(json.loads(route.request.post_data))
        if len(refusals) == 1:
            error = {
                "error": {"code": "invalid_request", "message": "a text is too long", "param": "caption"}
            }
            route.fulfill(status=400, json=error)
        else:
            route.continue_()

    with reviewing(server, browser, line) as page:
        expect_part(page, 0)
        page.route(VERDICT, refuse_the_first)
        page.keyboard.press("o")
        expect_part(page, 1)
        expect(page.locator("#notices .notice")).to_contain_text("a text is too long")
        page.keyboard.press("o")
        expect_part(page, 0)
        page.keyboard.press("o")
        expect(page.locator("#nothing")).to_be_visible()
        expect_saved(page)
    assert [said(server, one) for one in ids] == [["ok"], ["ok"]]


def test_a_missing_image_is_told_in_its_place(server, browser):
    line, ids = line_with(server, 2)
    ask(server, "DELETE", f"/v1/inspections/{ids[0]}/image")
    with reviewing(server, browser, line) as page:
        expect(page.locator("#part-name")).to_have_text("P-0")
        expect(page.locator("#part-pane .note")).to_have_text("The image was deleted.")
        expect(page.locator("#reference-pane .picture")).to_be_visible()
        page.keyboard.press("u")
        expect_part(page, 1)
        expect_saved(page)
    assert said(server, ids[0]) == ["unsure"]


def test_a_part_that_nobody_has_seen_is_not_decided(server, browser):
    line, ids = line_with(server, 2)
    held, is_free = [], []
    routes = {"**/image?view=0": lambda route: route.continue_() if is_free else held.append(route)}
    with reviewing(server, browser, line, routes=routes) as page:
        expect(page.locator("#part-name")).to_have_text("P-0")
        expect(page.locator("#part-pane .note")).to_have_text("Loading …")
        page.keyboard.press("o")
        expect(page.locator("#live")).to_contain_text("Nothing was decided")
        expect(page.locator("#part-name")).to_have_text("P-0")
        is_free.append(True)
        for route in held:
            route.continue_()
        expect_part(page, 0)
        page.keyboard.press("o")
        expect_part(page, 1)
        expect_saved(page)
    assert [said(server, one) for one in ids] == [["ok"], []]
