"""A4, A5, A10, A14, A17, A18: thousands of connections and streams that stay idle, are slow, or are abandoned."""

import json
import struct
import time
from collections import Counter

from tests.abuse.attack import Attack, Target, held, in_json
from tests.abuse.http2 import RST_STREAM, Connection, message, pause
from tests.bench.contenders import post
from tests.faults.deaf_http2 import frame
from tests.faults.questions import JSON

WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
EMBED = "/clip_in.v1.ClipIn/Embed"
EMBED_STREAM = "/clip_in.v1.ClipIn/EmbedStream"
STREAMS = 200
"""Streams that a server allows per connection."""


def streams(path: str, content: bytes | None, count: int = STREAMS, answers_pings: bool = True):
    """Work: as many calls as a connection allows, each with a message or without one, and then nothing."""

    def work(target: Target) -> str:
        try:
            connection = Connection(target, answers_pings)
        except OSError as error:
            return type(error).__name__
        for _ in range(count):
            stream = connection.open(path)
            if content is not None:
                connection.send(stream, message(content), end=False)
        target.wait()
        return f"{count} calls, {len(connection.seen)} ended"

    return work


def reflection(size: int):
    """Work: a message of the given size to a reflection stream, then nothing."""

    def work(target: Target) -> str:
        connection = Connection(target)
        stream = connection.open(REFLECTION)
        sent = connection.send(stream, message(b"\0" * size), end=False)
        target.wait()
        return "all taken" if sent else connection.seen.get(stream, "not taken")

    return work


def trickle(head: bytes, count: int, at_once: bytes = b""):
    """Work: the given number of HTTP/1 requests whose bodies arrive at one byte per second."""

    def work(target: Target) -> Counter:
        seen: Counter = Counter()
        clients = []
        for _ in range(count):
            try:
                client = target.connect()
                client.sendall(head + at_once)
                clients.append(client)
            except OSError as error:
                seen[type(error).__name__] += 1
        while target.left():
            for client in list(clients):
                try:
                    client.sendall(b" ")
                except OSError:
                    seen["ended by the server"] += 1
                    clients.remove(client)
            pause(target, 1)
        seen["open at the end"] += len(clients)
        return seen

    return work


def calls_that_trickle(count: int):
    """Work: gRPC calls whose messages arrive at one byte per second."""
    framed = message(b"\x12\x05\x0a\x03cat" + b"\x7a\x80\x20" + b"\0" * 4096)

    def work(target: Target) -> str:
        connection = Connection(target)
        calls = [connection.open(EMBED) for _ in range(count)]
        for place in range(len(framed)):
            if not target.left() or connection.closed:
                break
            for call in calls:
                if call not in connection.seen:
                    connection.send(call, framed[place : place + 1], end=False)
            pause(target, 1)
        return f"{count} calls, {len(connection.seen)} ended"

    return work


def trickling_reader(data: bytes):
    """Work: reads an answer at one kilobyte per half second."""

    def work(target: Target) -> str:
        found = target.send_and_hold(data)
        client = target.keep[-1]
        try:
            while target.left() and client.recv(1024):
                pause(target, 0.5)
        except OSError as error:
            return type(error).__name__
        return found

    return work


def pipelined(path: str, count: int, read: bool):
    """Work: the given number of GET requests at once on one connection."""
    get = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() * count

    def work(target: Target) -> str:
        if not read:
            return target.send_and_hold(get)
        try:
            with target.connect() as client:
                client.sendall(get)
                client.shutdown(1)
                taken = 0
                while target.left() and (chunk := client.recv(1 << 18)):
                    taken += len(chunk)
        except OSError as error:
            return type(error).__name__
        return "read"

    return work


def reset_at_once(target: Target) -> Counter:
    """Work: calls that are reset as soon as they begin, as fast as they can be written."""
    connection, count = Connection(target), 0
    while target.left() and not connection.closed:
        for _ in range(100):
            stream = connection.open(EMBED)
            connection.write(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
            count += 1
    return Counter({"calls given up": count, "closed by the server": connection.closed})


def connect_and_leave(target: Target) -> str:
    """Work: a connection that sends nothing."""
    try:
        target.connect().close()
    except OSError as error:
        return type(error).__name__
    time.sleep(0.001)
    return "left"


def embeddings(texts: int) -> bytes:
    """A request for one cached text, repeated: each embedding in the answer takes two kilobytes."""
    return in_json("/v1/embeddings", {"input": ["a red bolt"] * texts})


def after_one(work):
    """Work: sends the text alone first, to fill the cache. Otherwise the other requests would fill the queue
    instead.
    """
    one = embeddings(1)

    def both(target: Target) -> str:
        target.send(one)
        return work(target)

    return both


def announced(size: int) -> bytes:
    """The head of a request with a body of the given size."""
    whole = post("/v1/embeddings", JSON, b"")
    return whole.replace(b"content-length: 0", f"content-length: {size}".encode())


_BODY = json.dumps({"input": "a"}).encode()

ATTACKS = [
    Attack(
        "A4", "4,200 health watches on 21 connections", lambda: streams(WATCH, b"\x0a\x00"), 21, once=True
    ),
    Attack("A4", "reflection, a message of 60 MB, then idle", lambda: reflection(60_000_000), 8, once=True),
    Attack(
        "A4",
        "reflection, 200 streams of 60 KB, 8 connections",
        lambda: streams(REFLECTION, b"\0" * 60_000),
        8,
        once=True,
    ),
    Attack("A5", "1,200 unary calls of headers only", lambda: streams(EMBED, None), 6, once=True),
    Attack(
        "A5",
        "1,200 streams of one text, then idle",
        lambda: streams(EMBED_STREAM, _BODY[:0] + b"\x12\x05\x0a\x03cat"),
        6,
        once=True,
    ),
    Attack("A5", "1,200 gRPC messages at a byte a second", lambda: calls_that_trickle(STREAMS), 6, once=True),
    Attack(
        "A5", "1,200 HTTP/1 bodies at a byte a second", lambda: trickle(announced(1000), 150), 8, once=True
    ),
    Attack(
        "A5",
        "1,200 HTTP/1 heads at a byte a second",
        lambda: trickle(b"POST /v1/embeddings HTTP/1.1\r\nx: ", 150),
        8,
        once=True,
    ),
    Attack(
        "A5",
        "8 bodies of 60 MB but for the last bytes",
        lambda: trickle(announced(60_000_000), 1, b" " * 59_000_000),
        8,
        once=True,
    ),
    Attack(
        "A10",
        "40 answers that nobody reads, of 5 MB",
        lambda: after_one(held(embeddings(2048))),
        40,
        once=True,
    ),
    Attack(
        "A10", "ever more answers that nobody reads, of 5 MB", lambda: after_one(held(embeddings(2048))), 8
    ),
    Attack(
        "A10",
        "100 answers of 5 MB, read at 2 KB a second",
        lambda: after_one(trickling_reader(embeddings(2048))),
        100,
        once=True,
    ),
    Attack("A14", "1,000 GET /openapi.json at a time, read", lambda: pipelined("/openapi.json", 1000, True)),
    Attack(
        "A14", "1,000 GET /openapi.json at a time, unread", lambda: pipelined("/openapi.json", 1000, False)
    ),
    Attack("A14", "1,000 GET /metrics at a time, read", lambda: pipelined("/metrics", 1000, True)),
    Attack(
        "A17",
        "200 reflection streams, pings not answered",
        lambda: streams(REFLECTION, None, answers_pings=False),
        1,
        once=True,
    ),
    Attack("A18", "calls that are given up at once", lambda: reset_at_once, 4),
    Attack("A18", "connections that are given up at once", lambda: connect_and_leave, 4),
]
