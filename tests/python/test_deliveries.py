"""A short run of `make deliveries`, with the webhook alone. `clients/test_deliveries_mqtt.py` has the broker."""

import pytest

from tests.faults.deliveries import run
from tests.python.conftest import environment, server_binary


@pytest.fixture(autouse=True)
def named_server(monkeypatch):
    """Sets the variables that the fault programs read."""
    monkeypatch.setenv("ORT_DYLIB_PATH", environment()["ORT_DYLIB_PATH"])
    monkeypatch.setenv("CLIP_IN_BINARY", str(server_binary()))


def test_a_webhook_gets_each_decision_although_it_fails_and_the_server_is_killed():
    report, wrong = run(decisions=200, kills=2, with_broker=False)
    print(report)
    assert not wrong, wrong
