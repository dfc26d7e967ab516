"""The definition of an attack, and the ways of sending that all attacks share."""

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench.contenders import post
from tests.faults.questions import JSON

MIB = 1 << 20


@dataclass
class Target:
    """The server under attack, until a deadline."""

    address: tuple[str, int]
    until: float
    """End of the attack by the monotonic clock."""
    keep: list = field(default_factory=list)
    """Connections that stay open until the end."""

    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.until - time.monotonic())

    def connect(self) -> socket.socket:
        """Opens a connection whose calls time out at the end of the attack."""
        return socket.create_connection(self.address, timeout=self.left() + 1)

    def send(self, data: bytes) -> str:
        """Sends an HTTP request on a new connection. Returns `200`, `413 body_too_large`, or the name of the
        error.
        """
        try:
            with self.connect() as client:
                client.sendall(data)
                answer = http.client.HTTPResponse(client)
                answer.begin()
                content = answer.read(4096)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        try:
            return f"{answer.status} {json.loads(content)['error']['code']}"
        except (ValueError, KeyError, TypeError):
            return str(answer.status)

    def send_and_leave(self, data: bytes, stay: float = 0.05) -> str:
        """Sends the whole request and closes the connection without waiting for the answer."""
        try:
            with self.connect() as client:
                client.sendall(data)
                time.sleep(stay)
        except OSError as error:
            return type(error).__name__
        return "left"

    def send_and_hold(self, data: bytes, buffer: int = 2048) -> str:
        """Sends a request and keeps the connection open without reading."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(self.left() + 1)
        self.keep.append(client)
        try:
            client.connect(self.address)
            client.sendall(data)
        except OSError as error:
            return type(error).__name__
        return "held"

    def wait(self) -> None:
        """Waits until the end of the attack."""
        time.sleep(self.left())


Work = Callable[[Target], "str | Counter"]


@dataclass(frozen=True)
class Attack:
    """A kind of request that several clients send repeatedly and at the same time."""

    row: str
    """Row in the table of attacks, such as A1."""
    sent: str
    """For the table."""
    prepare: Callable[[], Work]
    """Prepares the requests before the clock starts. Its result is called by each client until the attack ends."""
    clients: int = 4
    once: bool = False
    """Whether each client runs only once and then holds its connections."""
    arguments: tuple[object, ...] = ()
    """Arguments of the server besides its defaults."""


def run(work: Work, attack: Attack, target: Target) -> Counter:
    """Runs an attack to its end and counts the results that its clients saw."""
    seen: Counter = Counter()

    def client() -> None:
        while target.left():
            found = work(target)
            seen.update(found if isinstance(found, Counter) else [found])
            if attack.once:
                return

    threads = [threading.Thread(target=client, daemon=True) for _ in range(attack.clients)]
    for thread in threads:
        thread.start()
    target.wait()
    for thread in threads:
        thread.join(0.5)
    return seen


def again(data: bytes) -> Work:
    """Sends the same request repeatedly and reads the answers."""
    return lambda target: target.send(data)


def gone(data: bytes) -> Work:
    """Sends the same request and disconnects."""
    return lambda target: target.send_and_leave(data)


def held(data: bytes) -> Work:
    """Sends a request and never reads the answer."""
    return lambda target: target.send_and_hold(data)


def in_json(path: str, content: object) -> bytes:
    """A POST."""
    return post(path, JSON, json.dumps(content).encode())


def put(path: str, body: bytes) -> bytes:
    """A PUT of JSON."""
    return post(path, JSON, body).replace(b"POST", b"PUT", 1)
