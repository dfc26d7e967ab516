"""An HTTP/2 client that grants the server no window: the server computes its answers but cannot send them."""

import socket
import struct
import threading
from collections.abc import Callable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame as sent over the network."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(name: str, value: str) -> bytes:
    """A header in HPACK without table references."""
    short = [struct.pack("B", len(text)) + text.encode() for text in (name, value)]
    return b"\0" + b"".join(short)


def head(stream: int, method: str) -> bytes:
    """The header block of a call."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/clip_in.v1.ClipIn/{method}",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return frame(HEADERS, END_HEADERS, stream, b"".join(field(*header) for header in headers.items()))


def data(stream: int, message: bytes, flags: int = 0) -> bytes:
    """A message of a call."""
    return frame(DATA, flags, stream, b"\0" + struct.pack(">I", len(message)) + message)


def one_text() -> bytes:
    """`EmbedRequest` or `EmbedStreamRequest` of one short text."""
    text = b"a red bolt"
    item = b"\x0a" + bytes([len(text)]) + text
    return b"\x12" + bytes([len(item)]) + item


def embed_call(stream: int) -> bytes:
    """`Embed` of one short text."""
    return head(stream, "Embed") + data(stream, one_text(), END_STREAM)


def silent_stream(stream: int) -> bytes:
    """`EmbedStream` without any message."""
    return head(stream, "EmbedStream")


def unread_stream(stream: int) -> bytes:
    """`EmbedStream` with one short text."""
    return head(stream, "EmbedStream") + data(stream, one_text())


class DeafClient:
    """Calls on one connection that stays open and answers pings, until the end of the `with` block."""

    def __init__(self, address: tuple[str, int], calls: int, call: Callable[[int], bytes] = embed_call):
        self._socket = socket.create_connection(address, timeout=60)
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, 0)))
        for number in range(calls):
            self._socket.sendall(call(2 * number + 1))
        self._thread = threading.Thread(target=self._answer_pings, daemon=True)

    def __enter__(self) -> "DeafClient":
        self._thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server closed first
        self._thread.join(10)
        self._socket.close()

    def _answer_pings(self) -> None:
        received = b""
        try:
            while chunk := self._socket.recv(65536):
                received += chunk
                while len(received) >= 9:
                    length = int.from_bytes(received[:3], "big")
                    if len(received) < 9 + length:
                        break
                    kind, flags, payload = received[3], received[4], received[9 : 9 + length]
                    received = received[9 + length :]
                    if kind == SETTINGS and not flags & ACK:
                        self._socket.sendall(frame(SETTINGS, ACK, 0))
                    if kind == PING and not flags & ACK:
                        self._socket.sendall(frame(PING, ACK, 0, payload))
        except OSError:
            return  # closed by either side
