"""Receivers of messages that are away half of the time: a webhook, and a broker of MQTT."""

import json
import shutil
import socketserver
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.bench.servers import HOST, free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
AWAY_SECONDS = 2.0
BROKER_CONFIGURATION = """listener {port} {host}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
max_queued_messages 0
"""


@dataclass
class Arrived:
    """What was acknowledged to the server, in order."""

    messages: list[dict] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, body: bytes) -> None:
        message = json.loads(body)
        with self.lock:
            self.messages.append(message)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Listener"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        state = self.server.state
        if state == "silent":
            # As if the machine had lost its power.
            self.close_connection = True
            return
        if state == "up":
            assert self.headers["clip-in-delivery-id"] == json.loads(body)["id"]
            self.server.arrived.add(body)
        self.send_response(200 if state == "up" else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    state = "up"


class Webhook:
    """A webhook; to be used in a `with`."""

    def __init__(self) -> None:
        self.arrived = Arrived()
        self._listener = _Listener((HOST, free_port()), _Handler)
        self._listener.arrived = self.arrived
        self.url = f"http://{HOST}:{self._listener.server_address[1]}/clip-in"
        self._thread = threading.Thread(target=self._listener.serve_forever, daemon=True)

    def away(self, turn: int) -> None:
        """It closes connections, or says that it is overloaded."""
        self._listener.state = ("silent", "overloaded")[turn % 2]

    def back(self) -> None:
        self._listener.state = "up"

    def __enter__(self) -> "Webhook":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()


class Broker:
    """Mosquitto with a subscriber that gets everything, also what came while it was away; to be used in a `with`."""

    def __init__(self, folder: Path) -> None:
        self.arrived = Arrived()
        self.port = free_port()
        self.url = f"mqtt://{HOST}:{self.port}"
        self._configuration = folder / "mosquitto.conf"
        text = BROKER_CONFIGURATION.format(port=self.port, host=HOST, folder=folder)
        # As root it would become another user, who may not write into the folder.
        self._configuration.write_text(text + "user root\n")
        self._process: subprocess.Popen | None = None

    def back(self) -> None:
        if self._process is None:
            command = [MOSQUITTO, "-c", self._configuration]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def away(self, _turn: int) -> None:
        # It writes what its subscribers have not taken to disk, and ends.
        self._process.terminate()
        self._process.wait()
        self._process = None

    def __enter__(self) -> "Broker":
        import paho.mqtt.client as paho

        self.back()
        subscribed = threading.Event()
        self._subscriber = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="everything", clean_session=False
        )
        self._subscriber.reconnect_delay_set(1, 1)
        self._subscriber.on_connect = lambda client, *_: client.subscribe("plant/#", qos=1)
        self._subscriber.on_subscribe = lambda *_: subscribed.set()
        self._subscriber.on_message = lambda _client, _data, message: self._take(message)
        deadline = time.monotonic() + 30
        while True:
            try:
                self._subscriber.connect(HOST, self.port)
                break
            except OSError:
                assert time.monotonic() < deadline, "mosquitto does not answer"
                time.sleep(0.1)
        self._subscriber.loop_start()
        assert subscribed.wait(30), "the subscription is not confirmed"
        return self

    def _take(self, message) -> None:
        body = json.loads(message.payload)
        assert message.topic == f"plant/{body['line']}/{body['event']}", message.topic
        self.arrived.add(message.payload)

    def __exit__(self, *_exception: object) -> None:
        self._subscriber.disconnect()
        self._subscriber.loop_stop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Outages:
    """Takes receivers away half of the time, in a `with`; afterwards all are back."""

    def __init__(self, receivers: list) -> None:
        self._receivers, self._over = receivers, threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.count = 0

    def _work(self) -> None:
        while not self._over.wait(AWAY_SECONDS):
            for receiver in self._receivers:
                receiver.away(self.count)
            self.count += 1
            self._over.wait(AWAY_SECONDS)
            for receiver in self._receivers:
                receiver.back()

    def __enter__(self) -> "Outages":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()
