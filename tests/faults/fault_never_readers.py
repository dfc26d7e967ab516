"""Clients that request a large answer and never read it."""

import json
import socket
import time

from tests.bench.contenders import post
from tests.faults.grpc_clients import NeverReading, available
from tests.faults.process import ClipInProcess
from tests.faults.questions import JSON, samples
from tests.faults.scenario import CLIENTS, Row, Setting, recovery, warmed

READERS = 100
TEXTS = 2048
"""Identical items, so that they are cached and only the answer is large: 4 MB."""
HOLD_SECONDS = 30
REQUEST_SECONDS = 15
MORE_MIB = 128.0
STREAMS, STREAM_SECONDS, STILL_SECONDS = 20, 60, 4


def request() -> bytes:
    """A request whose answer does not fit into a socket's buffer."""
    body = json.dumps({"input": ["a red bolt"] * TEXTS}).encode()
    return post("/v1/embeddings", JSON, body)


def never_reading(address: tuple[str, int]) -> socket.socket:
    """A client with the smallest possible receive buffer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.settimeout(30)
    client.connect(address)
    return client


def streams(setting: Setting, row: Row, server: ClipInProcess) -> None:
    """The same over gRPC: the server stops reading from a stream whose answers are not read."""
    with setting.clients(server) as clients:
        warmed(server)
        with NeverReading(server.address, samples()[0], STREAMS) as stuck:
            taken, since, until = -1, 0.0, time.monotonic() + STREAM_SECONDS
            while time.monotonic() < until and not (since and time.monotonic() - since > STILL_SECONDS):
                if sum(stuck.sent) != taken:
                    taken, since = sum(stuck.sent), time.monotonic()
                time.sleep(0.5)
        time.sleep(2)
    row.tally(clients.tally)
    row.saw.append(f"{STREAMS} gRPC streams: at a standstill after {taken / STREAMS:.0f} images each")
    row.check(time.monotonic() < until, "streams whose answers are not read go on and on")


def run(setting: Setting) -> Row:
    """Other clients are not affected, memory stays within the answers' size, and the server closes such
    connections.
    """
    row = Row(f"{READERS} clients ask for 4 MB and read nothing for {HOLD_SECONDS} s", setting.load())
    data = request()
    arguments = ("--request-seconds", REQUEST_SECONDS)
    with ClipInProcess("fault-readers", setting.state("readers"), *arguments, cache=True) as server:
        with setting.clients(server) as clients:
            before = warmed(server)
            stuck = [never_reading(server.address) for _ in range(READERS)]
            for client in stuck:
                client.sendall(data)
            time.sleep(HOLD_SECONDS)
            most = server.peak_rss_mib()
            # The clients cannot detect this: a close comes after the data that they do not read.
            ended = READERS - max(0, server.held().descriptors - CLIENTS - before.descriptors)
            # Answers beyond the budget are refused. A refusal fits into the buffers, so its connection may stay open.
            refused = sum(client.recv(12).endswith(b" 429") for client in stuck)
            row.saw.append(
                f"given up by the server: {ended} of {READERS}, 429: {refused}; peak {most:.0f} MiB"
            )
            held = READERS - ended - refused
            row.check(held <= 0, f"{held} connections that read nothing are held on to")
            for client in stuck:
                client.close()
            closed = time.monotonic()
            time.sleep(3)
        row.tally(clients.tally)
        row.recovery = recovery(clients.tally, closed)
        if available():
            streams(setting, row, server)
        row.alive(server)
        row.settled(server, before, MORE_MIB)
    return row
