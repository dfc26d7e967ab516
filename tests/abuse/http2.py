"""A minimal HTTP/2 client that sends exactly the given frames and gRPC messages."""

import gzip
import struct
import threading
import time

from tests.abuse.attack import Target
from tests.faults.deaf_http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PING,
    PREFACE,
    SETTINGS,
    field,
    frame,
)

RST_STREAM, GOAWAY, WINDOW_UPDATE = 3, 7, 8
LARGEST_FRAME = 16384
WINDOW = 65535


def message(content: bytes, packed: bool = False) -> bytes:
    """A gRPC message with its header."""
    content = gzip.compress(content, 9) if packed else content
    return struct.pack(">BI", packed, len(content)) + content


class Connection:
    """One connection. A thread reads everything that is received, and answers pings unless told not to."""

    def __init__(self, target: Target, answers_pings: bool = True, window: int = 2**31 - 1):
        self.seen: dict[int, str] = {}
        """How each stream ended, by stream id."""
        self.received = 0
        """Bytes of answers."""
        self.closed = False
        self._target, self._answers_pings = target, answers_pings
        self._next, self._initial = 1, WINDOW
        self._windows: dict[int, int] = {0: WINDOW}
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._socket = target.connect()
        settings = frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, window))
        more = struct.pack(">I", 2**31 - 1 - WINDOW)
        self._socket.sendall(PREFACE + settings + frame(WINDOW_UPDATE, 0, 0, more))
        threading.Thread(target=self._read, daemon=True).start()
        target.keep.append(self)

    def open(self, path: str, packed: bool = False) -> int:
        """Begins a gRPC call and returns its stream id."""
        with self._changed:
            stream, self._next = self._next, self._next + 2
            self._windows[stream] = self._initial
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        if packed:
            headers["grpc-encoding"] = "gzip"
        self.write(frame(HEADERS, END_HEADERS, stream, b"".join(field(*one) for one in headers.items())))
        return stream

    def send(self, stream: int, content: bytes, end: bool = True) -> bool:
        """Sends as much as the flow-control windows allow; returns whether everything was sent in time."""
        rest = memoryview(content)
        while rest:
            with self._changed:
                while not (room := self._room(stream)):
                    if self.closed or stream in self.seen or not self._changed.wait(self._target.left()):
                        return False
                part = min(room, len(rest), LARGEST_FRAME)
                self._windows[0] -= part
                self._windows[stream] -= part
            last = end and part == len(rest)
            self.write(frame(DATA, END_STREAM if last else 0, stream, bytes(rest[:part])))
            rest = rest[part:]
        return True

    def end_of(self, stream: int) -> str:
        """Waits for the end of a call."""
        with self._changed:
            while stream not in self.seen and not self.closed and self._target.left():
                self._changed.wait(self._target.left())
            return self.seen.pop(stream, "closed" if self.closed else "no answer")

    def write(self, data: bytes) -> None:
        """Frames as they are."""
        try:
            with self._writing:
                self._socket.sendall(data)
        except OSError:
            self._close()

    def close(self) -> None:
        """Both ways, at once."""
        self._socket.close()

    def _room(self, stream: int) -> int:
        if self.closed or stream in self.seen:
            return 0
        return max(0, min(self._windows[0], self._windows.get(stream, 0)))

    def _close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _read(self) -> None:
        received = b""
        try:
            while chunk := self._socket.recv(1 << 18):
                received += chunk
                while len(received) >= 9:
                    length = int.from_bytes(received[:3], "big")
                    if len(received) < 9 + length:
                        break
                    kind, flags = received[3], received[4]
                    stream = int.from_bytes(received[5:9], "big")
                    self._take(kind, flags, stream, received[9 : 9 + length])
                    received = received[9 + length :]
        except OSError:
            pass  # closed by either side
        self._close()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == PING and not flags & ACK and self._answers_pings:
            self.write(frame(PING, ACK, 0, payload))
        if kind == SETTINGS and not flags & ACK:
            self.write(frame(SETTINGS, ACK, 0))
        with self._changed:
            if kind == SETTINGS and not flags & ACK:
                self._settings(payload)
            if kind == WINDOW_UPDATE:
                more = int.from_bytes(payload, "big")
                self._windows[stream] = self._windows.get(stream, self._initial) + more
            if kind == DATA:
                self.received += len(payload)
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                self.seen[stream] = "answered"
            if kind == RST_STREAM:
                self.seen.setdefault(stream, "reset")
            if kind == GOAWAY:
                self.closed = True
            self._changed.notify_all()

    def _settings(self, payload: bytes) -> None:
        for place in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[place : place + 6])
            if name == INITIAL_WINDOW:
                for stream in self._windows:
                    if stream:
                        self._windows[stream] += value - self._initial
                self._initial = value


def unary(path: str, content: bytes, packed: bool = False):
    """Work: one call after another, each on a new connection."""
    framed = message(content, packed)

    def work(target: Target) -> str:
        try:
            connection = Connection(target)
        except OSError as error:
            return type(error).__name__
        stream = connection.open(path, packed)
        connection.send(stream, framed)
        found = connection.end_of(stream)
        connection.close()
        target.keep.remove(connection)
        return found

    return work


def pause(target: Target, seconds: float) -> None:
    """Sleeps, but no longer than the attack lasts."""
    time.sleep(min(seconds, target.left()))
