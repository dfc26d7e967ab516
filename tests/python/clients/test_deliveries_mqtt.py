"""What lines decide, sent to mosquitto and read with paho-mqtt, the most used client of MQTT in Python."""

import base64
import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.faults.deliveries import run
from tests.faults.delivery_receivers import MOSQUITTO
from tests.faults.fault_database import picture
from tests.faults.process import free_port
from tests.python.conftest import ROOT, environment, server_binary, serving

paho = pytest.importorskip("paho.mqtt.client")
pytestmark = pytest.mark.skipif(
    not MOSQUITTO, reason="mosquitto is not installed (Debian: apt-get install mosquitto)"
)
HOST = "127.0.0.1"
SECONDS = 60


class Broker:
    """Mosquitto with a file of settings."""

    def __init__(self, folder: Path, *settings: str):
        self.port = free_port()
        file = folder / f"mosquitto-{self.port}.conf"
        file.write_text("\n".join([f"listener {self.port} {HOST}", "user root", *settings]) + "\n")
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.wait()


def subscriber(broker: Broker, topic: str, tls: Path | None = None, login: tuple | None = None):
    """A client, and the queue of what it gets."""
    found, subscribed = queue.Queue(), threading.Event()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    if tls:
        client.tls_set(str(tls / "ca.pem"), str(tls / "client.pem"), str(tls / "client.key"))
    if login:
        client.username_pw_set(*login)
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _client, _data, message: found.put(message)
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            client.connect(HOST, broker.port)
            break
        except OSError:
            assert time.monotonic() < deadline, "mosquitto does not answer"
            time.sleep(0.1)
    client.loop_start()
    assert subscribed.wait(SECONDS)
    return client, found


def ask(url: str, method: str, body: bytes | None = None, kind: str = "application/json") -> dict:
    request = urllib.request.Request(url, body, {"content-type": kind}, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def put_line(server: str, name: str) -> None:
    body = {"references": [base64.b64encode(picture(0)).decode()], "resolution": 192}
    ask(f"{server}/v1/lines/{name}", "PUT", json.dumps(body).encode())


def inspect(server: str, line: str) -> dict:
    return ask(f"{server}/v1/lines/{line}/inspections", "POST", picture(1), "image/png")


def sink(server: str) -> dict:
    return ask(f"{server}/v1/admin/deliveries", "GET")["data"][0]


def wait_for(done, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.1)


def sinks(folder: Path, broker: Broker, scheme: str, *more: str) -> list[str]:
    """Arguments for a server that sends to a broker."""
    lines = ["[[sink]]", 'name = "plc"', 'kind = "mqtt"', f'url = "{scheme}://{HOST}:{broker.port}"']
    lines += ['topic = "plant/{line}/{event}"', *more]
    file = folder / "sinks.toml"
    file.write_text("\n".join(lines) + "\n")
    (folder / "models").mkdir(exist_ok=True)
    return ["--sinks", str(file), "--admin", "--models-root", str(folder / "models"), "--workers", "1"]


@pytest.mark.parametrize("version", [3, 5])
def test_a_subscriber_gets_what_was_decided(tmp_path, version):
    with Broker(tmp_path, "allow_anonymous true") as broker:
        client, found = subscriber(broker, "plant/#")
        arguments = sinks(tmp_path, broker, "mqtt", f"version = {version}")
        with serving(ROOT / "models" / "demo", *arguments) as server:
            put_line(server, "bolts")
            inspected = inspect(server, "bolts")
            message = found.get(timeout=SECONDS)
            assert (message.topic, message.qos, message.retain) == ("plant/bolts/inspection", 1, False)
            body = json.loads(message.payload)
            assert body["id"] == inspected["id"] and body["inspection"]["score"] == inspected["score"]
            properties = getattr(message.properties, "UserProperty", [])
            wanted = [("clip-in-delivery-id", inspected["id"])] if version == 5 else []
            assert properties == wanted
            said = json.dumps({"verdict": "ok"}).encode()
            verdict = ask(f"{server}/v1/inspections/{inspected['id']}/verdict", "POST", said)
            message = found.get(timeout=SECONDS)
            assert message.topic == "plant/bolts/verdict"
            assert json.loads(message.payload)["id"] == verdict["id"]
            wait_for(lambda: sink(server)["pending"] == 0, "an empty outbox")
            assert sink(server)["connected"] is True
        client.disconnect()
        client.loop_stop()


def certificates(folder: Path) -> None:
    """An authority, and certificates of a broker and a client."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(
        "req", "-x509", *new, "-subj", "/CN=authority", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"
    )
    (folder / "names").write_text(f"subjectAltName=IP:{HOST}\n")
    for name in ("broker", "client"):
        openssl("req", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")


def test_a_broker_with_certificates_on_both_sides(tmp_path):
    certificates(tmp_path)
    files = [f"cafile {tmp_path}/ca.pem", f"certfile {tmp_path}/broker.pem", f"keyfile {tmp_path}/broker.key"]
    with Broker(tmp_path, *files, "require_certificate true", "use_identity_as_username true") as broker:
        client, found = subscriber(broker, "plant/#", tls=tmp_path)
        own = [f'certificate_file = "{tmp_path}/client.pem"', f'key_file = "{tmp_path}/client.key"']
        arguments = sinks(tmp_path, broker, "mqtts", f'ca_file = "{tmp_path}/ca.pem"', *own)
        with serving(ROOT / "models" / "demo", *arguments) as server:
            put_line(server, "bolts")
            inspected = inspect(server, "bolts")
            assert json.loads(found.get(timeout=SECONDS).payload)["id"] == inspected["id"]
        # Without its own certificate the server is refused, and the message waits.
        arguments = sinks(tmp_path, broker, "mqtts", f'ca_file = "{tmp_path}/ca.pem"')
        with serving(ROOT / "models" / "demo", *arguments) as server:
            put_line(server, "bolts")
            inspect(server, "bolts")
            wait_for(lambda: sink(server)["connected"] is False, "the failure")
            assert sink(server)["pending"] == 1 and sink(server)["dead"] == 0
        client.disconnect()
        client.loop_stop()


def test_a_refusal_of_version_5_makes_a_dead_letter_and_a_wrong_password_does_not(tmp_path):
    made = ["mosquitto_passwd", "-b", "-c", str(tmp_path / "passwords"), "clip-in", "a password"]
    subprocess.run(made, check=True, capture_output=True)
    (tmp_path / "rights").write_text("user clip-in\ntopic readwrite plant/bolts/#\n")
    (tmp_path / "password").write_text("a password\n")
    (tmp_path / "wrong").write_text("another one\n")
    files = [f"password_file {tmp_path}/passwords", f"acl_file {tmp_path}/rights"]
    with Broker(tmp_path, "allow_anonymous false", *files) as broker:
        client, found = subscriber(broker, "plant/bolts/#", login=("clip-in", "a password"))
        login = ['user = "clip-in"', f'password_file = "{tmp_path}/wrong"']
        with serving(ROOT / "models" / "demo", *sinks(tmp_path, broker, "mqtt", *login)) as server:
            put_line(server, "bolts")
            inspect(server, "bolts")
            wait_for(lambda: sink(server)["connected"] is False, "the failure")
            assert sink(server)["dead"] == 0
        login = ['user = "clip-in"', f'password_file = "{tmp_path}/password"']
        with serving(ROOT / "models" / "demo", *sinks(tmp_path, broker, "mqtt", *login)) as server:
            put_line(server, "nuts")
            put_line(server, "bolts")
            refused, taken = inspect(server, "nuts"), inspect(server, "bolts")
            assert json.loads(found.get(timeout=SECONDS).payload)["id"] == taken["id"]
            wait_for(lambda: sink(server)["dead"] == 1, "the dead letter")
            dead = ask(f"{server}/v1/admin/deliveries/plc/dead", "GET")["data"]
            assert [letter["id"] for letter in dead] == [refused["id"]]
            assert "NotAuthorized" in dead[0]["error"]
        client.disconnect()
        client.loop_stop()


def test_each_decision_arrives_although_the_broker_stops_and_the_server_is_killed(monkeypatch):
    monkeypatch.setenv("ORT_DYLIB_PATH", environment()["ORT_DYLIB_PATH"])
    monkeypatch.setenv("CLIP_IN_BINARY", str(server_binary()))
    report, wrong = run(decisions=200, kills=2, with_broker=True)
    print(report)
    assert not wrong, wrong


def test_the_gateway_sets_the_outputs_of_a_controller(tmp_path):
    example = ROOT / "examples" / "python" / "plc_gateway.py"
    with Broker(tmp_path, "allow_anonymous true") as broker:
        with serving(ROOT / "models" / "demo", *sinks(tmp_path, broker, "mqtt")) as server:
            put_line(server, "bolts")
            variables = {**os.environ, "MQTT_HOST": HOST, "MQTT_PORT": str(broker.port)}
            gateway = subprocess.Popen(
                [sys.executable, "-u", example, "bolts"], env=variables, stdout=subprocess.PIPE, text=True
            )
            try:
                assert gateway.stdout.readline().startswith("connected")
                inspected = [inspect(server, "bolts")["id"] for _ in range(2)]
                lines = [gateway.stdout.readline().split() for _ in inspected]
                # A line that is not calibrated sends each part to review: neither good nor bad.
                assert lines == [[id, "review", "good=0", "bad=0", "review=1"] for id in inspected]
            finally:
                gateway.kill()
                gateway.wait()
