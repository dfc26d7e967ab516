"""Dashboard and alerts with a real Prometheus that scrapes the real server; run by `make test-monitoring`."""

import json
import math
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.python import metrics_load as load
from tests.python.conftest import ROOT, serving
from tests.python.prometheus_server import watching

pytestmark = pytest.mark.skipif(
    not os.environ.get("CLIP_IN_MONITORING"), reason="needs Debian's prometheus; make test-monitoring runs it"
)

# The rules' own durations are minutes; these are the same rules with shorter windows.
FASTER = {"[1m]": "[10s]", "for: 30s": "for: 2s"}
WAIT_SECONDS = 180
# More than the server accepts at a time, so that some requests are refused on any machine.
PLACES, CLIENTS = 4, 16


@pytest.fixture(scope="module")
def watched():
    """A server, and the Prometheus that scrapes it."""
    assert shutil.which("prometheus"), "prometheus is not installed (Debian: apt-get install prometheus)"
    model = ROOT / "models" / "demo"
    with serving(model, "--image-cache-mib", "8", "--max-requests", str(PLACES)) as server:
        with watching(server, FASTER) as prometheus:
            yield server, prometheus


def queries() -> list[tuple[str, str]]:
    """Panel and expression, with variables substituted as in Grafana."""
    board = json.loads((ROOT / "deploy/grafana/clip-in.json").read_text())
    found = []
    for panel in board["panels"]:
        assert panel["type"] == "row" or panel["targets"], panel["title"]
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            expression = target["expr"].replace("$__rate_interval", "30s").replace("$instance", ".*")
            assert "$" not in expression, expression
            found.append((f"{panel['title']} {target['refId']}", expression))
    return found


def test_every_panel_has_data(watched):
    server, prometheus = watched
    load.put_labelset(server, "sure", sure=True)
    load.put_labelset(server, "unsure", sure=False)
    load.put_line(server, "board")
    waiting, deadline = queries(), time.monotonic() + WAIT_SECONDS
    assert len(waiting) >= 40
    while waiting and time.monotonic() < deadline:
        load.everything(server)
        load.inspect(server, "board")
        time.sleep(0.5)  # a little load
        # A number, not the result of 0 / 0.
        waiting = [
            (panel, expression)
            for panel, expression in waiting
            if not any(map(math.isfinite, prometheus.values(expression)))
        ]
    assert not waiting, "\n".join(f"{panel}: {expression}" for panel, expression in waiting)
    firing = [name for name, rule in prometheus.alert_rules().items() if rule["state"] == "firing"]
    assert "ClipInSaturated" not in firing and "ClipInDown" not in firing, firing


def test_every_alert_has_an_action(watched):
    _, prometheus = watched
    rules = prometheus.alert_rules()
    assert len(rules) >= 8
    for name, rule in rules.items():
        assert {"summary", "description", "action"} <= rule["annotations"].keys(), name
        assert rule["labels"]["severity"] in ("page", "ticket"), name
        assert rule["health"] == "ok" and not rule.get("lastError"), rule


def test_an_overload_fires_an_alert_while_it_lasts(watched):
    server, prometheus = watched
    assert prometheus.state("ClipInSaturated") == "inactive"
    enough = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        overload = pool.submit(load.overload, server, CLIENTS, enough)
        try:
            seconds = until_saturated_is(prometheus, "firing")
            alerts = prometheus.ask("alerts")["alerts"]
            # The series that the dashboard marks.
            assert prometheus.values('ALERTS{alertname=~"ClipIn.*", alertstate="firing"}')
        finally:
            enough.set()
        statuses = overload.result()
    assert statuses.keys() <= {200, 429} and min(statuses[200], statuses[429]) > 0, statuses
    (alert,) = (a for a in alerts if a["labels"]["alertname"] == "ClipInSaturated")
    assert "overloaded" in alert["annotations"]["summary"] and "<error" not in str(alert), alert
    assert server.removeprefix("http://") in alert["annotations"]["summary"]
    gone = until_saturated_is(prometheus, "inactive")
    print(f"\nClipInSaturated: firing after {seconds:.0f} s, gone {gone:.0f} s after the end")


def until_saturated_is(prometheus, state: str) -> float:
    """Seconds until the alert reaches a state."""
    started = time.monotonic()
    while prometheus.state("ClipInSaturated") != state:
        assert time.monotonic() - started < WAIT_SECONDS, f"not {state} after {WAIT_SECONDS} s"
        time.sleep(0.5)
    return time.monotonic() - started
