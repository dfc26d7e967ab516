"""/metrics checked by Prometheus' own tool, and the values of the metrics after known requests."""

import re
import shutil
import subprocess
import urllib.request

import pytest

from tests.python import metrics_load as load
from tests.python.conftest import ROOT, serving


@pytest.fixture(scope="module")
def server():
    """A server without other clients: it counts only the requests of this test."""
    with serving(ROOT / "models" / "demo", "--image-cache-mib", "8") as url:
        load.put_labelset(url, "sure", sure=True)
        load.put_labelset(url, "unsure", sure=False)
        yield url


def exposition(server: str) -> str:
    return urllib.request.urlopen(f"{server}/metrics", timeout=60).read().decode()


def value(text: str, series: str) -> float | None:
    """Value of a series, spelled as in the exposition."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
    return float(found[1]) if found else None


def growth(server: str, series: str, send) -> float:
    before = value(exposition(server), series) or 0.0
    send()
    return (value(exposition(server), series) or 0.0) - before


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="PROMTOOL IS MISSING: /metrics and deploy/prometheus are NOT checked (Debian: prometheus)",
)
def test_promtool_accepts_metrics_and_rules(server):
    load.everything(server)
    checks = {
        "check metrics": exposition(server),
        "check config prometheus.yml": None,
        "test rules rules_test.yml rules_drift_test.yml": None,
    }
    for check, text in checks.items():
        done = subprocess.run(
            ["promtool", *check.split()],
            input=text,
            cwd=ROOT / "deploy/prometheus",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"promtool {check}: {done.stdout}{done.stderr}"
        # promtool reports some problems as warnings only.
        assert text is None or done.stdout + done.stderr == "", done.stdout + done.stderr


def test_a_request_is_counted_in_every_stage_once(server):
    def send():
        text = f"a red bolt, number {next(load.NUMBER)} of those that are counted"
        assert load.send_json(f"{server}/v1/embeddings", {"input": text}) == 200

    for stage in ("read", "prepare", "queue", "inference", "post"):
        assert growth(server, f'clip_in_stage_seconds_count{{stage="{stage}"}}', send) == 1, stage
    # Cache hits skip all stages except the first and the last.
    known = {"input": "a red bolt"}
    load.send_json(f"{server}/v1/embeddings", known)
    for stage, times in {"read": 1, "queue": 0, "inference": 0, "post": 1}.items():
        series = f'clip_in_stage_seconds_count{{stage="{stage}"}}'
        counted = growth(server, series, lambda: load.send_json(f"{server}/v1/embeddings", known))
        assert counted == times, stage


def test_truncated_texts_are_counted(server):
    texts = {"input": [f"{next(load.NUMBER)} " + "bolts " * 300, "short and new to the cache"]}
    for series, least, most in (
        ("clip_in_truncated_texts_total", 1, 1),
        ("clip_in_truncated_tokens_total", 100, 1000),
    ):
        texts["input"][0] = "again " + texts["input"][0]
        sent = growth(server, series, lambda: load.send_json(f"{server}/v1/embeddings", texts))
        assert least <= sent <= most, series


def test_label_sets_are_counted_until_deletion(server):
    decisions = 'clip_in_labelset_decisions_total{{decision="{}",labelset="{}"}}'
    for labelset, decision, other in (("sure", "decided", "unsure"), ("unsure", "unsure", "decided")):
        before = exposition(server)
        load.classify(server, labelset)
        after = exposition(server)

        def difference(series, before=before, after=after):
            return (value(after, series) or 0.0) - (value(before, series) or 0.0)

        assert difference(decisions.format(decision, labelset)) == 1, labelset
        assert difference(decisions.format(other, labelset)) == 0, labelset
        assert difference(f'clip_in_labelset_best_score_count{{labelset="{labelset}"}}') == 1
        score = difference(f'clip_in_labelset_best_score_sum{{labelset="{labelset}"}}')
        assert score == pytest.approx(1 / 3, rel=1e-4), labelset

    load.put_labelset(server, "short-lived", sure=True)
    load.classify(server, "short-lived")
    assert 'labelset="short-lived"' in exposition(server)
    assert load.send(f"{server}/v1/labelsets/short-lived", b"", "application/json", "DELETE") == 200
    assert "short-lived" not in exposition(server)


def test_lines_are_counted_until_deletion(server):
    load.put_line(server, "short-lived")
    load.inspect(server, "short-lived")
    load.inspect(server, "short-lived")
    text = exposition(server)
    assert value(text, 'clip_in_line_inspections_total{decision="review",line="short-lived"}') == 2
    assert value(text, 'clip_in_line_inspections_total{decision="ok",line="short-lived"}') == 0
    assert value(text, 'clip_in_line_reviews_total{line="short-lived",reason="not calibrated"}') == 2
    # Every other trigger is missing.
    assert value(text, 'clip_in_line_missed_triggers_total{line="short-lived"}') == 1
    assert value(text, 'clip_in_line_drift{line="short-lived"}') == 0
    assert load.send(f"{server}/v1/lines/short-lived", b"", "application/json", "DELETE") == 200
    assert "short-lived" not in exposition(server)


def test_the_rules_use_existing_metrics(server):
    load.everything(server)
    load.put_line(server, "board")
    load.inspect(server, "board")
    text = exposition(server)
    rules = (ROOT / "deploy/prometheus/rules.yml").read_text()
    # Names of recording rules contain a colon.
    asked = set(re.findall(r"(?<![:\w])((?:clip_in|process)_\w+)(?=[{\[ ])", rules))
    assert len(asked) >= 10, asked
    missing = [name for name in asked if not re.search(rf"^{name}(_bucket)?[ {{]", text, re.M)]
    assert not missing, missing
