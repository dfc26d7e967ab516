"""One non-blocking keep-alive HTTP/1.1 connection: sends prebuilt bytes, receives status and body."""

import errno
import socket
from dataclasses import dataclass

READ_BYTES = 1 << 16


@dataclass(frozen=True)
class Request:
    """A request as sent over the network, and the statuses that count as correct answers."""

    bytes: bytes
    expected: frozenset[int] = frozenset({200})


class BrokenConnection(Exception):
    """The server closed the connection or sent an unreadable answer."""


class Connection:
    """A socket with at most one request in flight."""

    __slots__ = (
        "answered",
        "body_at",
        "closing",
        "file_number",
        "needed",
        "received",
        "request",
        "sent",
        "since",
        "socket",
        "status",
        "stream",
        "turn",
        "wants_write",
    )

    def __init__(self, address: tuple[str, int], stream: int, turn: int):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.socket.connect_ex(address) not in (0, errno.EINPROGRESS):
            raise BrokenConnection("cannot connect")
        self.file_number = self.socket.fileno()
        self.stream, self.turn = stream, turn
        self.wants_write = self.closing = False
        self.request: Request | None = None
        self.received = bytearray()

    def begin(self, request: Request, since: float) -> None:
        """Starts a request; `since` is when its client began to wait."""
        self.request, self.since = request, since
        self.sent, self.needed, self.status, self.body_at = 0, -1, 0, 0
        self.answered = False
        self.received.clear()

    def send(self) -> bool:
        """Sends as much as the socket accepts; True once everything is sent."""
        data = self.request.bytes
        try:
            while self.sent < len(data):
                self.sent += self.socket.send(memoryview(data)[self.sent :])
        except BlockingIOError:
            return False
        except OSError as error:
            raise BrokenConnection(str(error)) from None
        return True

    def receive(self) -> bool:
        """Reads what has arrived; True once the answer is complete."""
        try:
            chunk = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            raise BrokenConnection(str(error)) from None
        if not chunk:
            raise BrokenConnection("closed by the server")
        self.received += chunk
        if self.needed < 0:
            self._read_head()
        return 0 <= self.needed <= len(self.received)

    def body(self) -> bytes:
        """The answer's body."""
        return bytes(self.received[self.body_at :])

    def close(self) -> None:
        """Closes the socket, even with a request in flight."""
        self.socket.close()

    def _read_head(self) -> None:
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.received[:end]).lower()
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            raise BrokenConnection(f"an answer without a length: {head[:200]!r}")
        self.closing = b"\r\nconnection: close" in head
        self.status = int(head[9:12])
        self.body_at = end + 4
        self.needed = self.body_at + int(head[at + 17 :].split(b"\r\n", 1)[0])
