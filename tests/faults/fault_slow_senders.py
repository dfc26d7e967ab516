"""Clients that send one byte per second: half of them in the head of a request, half in its body."""

import socket
import time
from collections import Counter

from tests.faults.process import ClipInProcess
from tests.faults.scenario import Row, Setting, recovery, warmed

SLOW = 500
HEADER_SECONDS, REQUEST_SECONDS = 8, 15
HEAD = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\nx-slow: " + b"a" * 4000
BODY = (
    b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\n"
    b"content-type: application/json\r\ncontent-length: 4000\r\n\r\n"
)


class Slow:
    """One of them."""

    def __init__(self, address: tuple[str, int], in_head: bool):
        self.socket = socket.create_connection(address, timeout=20)
        self.in_head, self.at, self.end = in_head, 0, ""
        self.socket.setblocking(False)
        if not in_head:
            self.socket.send(BODY)

    def send_one(self) -> None:
        """Sends a byte and checks whether the server has ended the request."""
        if self.end:
            return
        try:
            data = self.socket.recv(4096)
            # A complete answer, or a close without one.
            self.end = data[9:12].decode() if data else "closed"
        except BlockingIOError:
            try:
                self.socket.send(HEAD[self.at : self.at + 1] if self.in_head else b" ")
                self.at += 1
            except OSError:
                self.end = "closed"
        except OSError:
            self.end = "closed"


def run(setting: Setting) -> Row:
    """The server ends each of them in time; other clients are not affected."""
    seconds = REQUEST_SECONDS + 6
    row = Row(f"{SLOW} clients send one byte a second for {seconds} s, heads and bodies", setting.load())
    arguments = ("--header-seconds", HEADER_SECONDS, "--request-seconds", REQUEST_SECONDS)
    with ClipInProcess("fault-slow", setting.state("slow"), *arguments) as server:
        with setting.clients(server) as clients:
            before = warmed(server)
            slow = [Slow(server.address, i % 2 == 0) for i in range(SLOW)]
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                begun = time.monotonic()
                for one in slow:
                    one.send_one()
                time.sleep(max(0.0, begun + 1 - time.monotonic()))
            for in_head, name, right in ((True, "head", {"closed", "408"}), (False, "body", {"408"})):
                ends = Counter(one.end or "still open" for one in slow if one.in_head == in_head)
                row.saw.append(f"slow in the {name}: {', '.join(f'{n} × {end}' for end, n in ends.items())}")
                row.check(set(ends) <= right, f"slow in the {name}: {dict(ends)}")
            for one in slow:
                one.socket.close()
            closed = time.monotonic()
            time.sleep(3)
        row.tally(clients.tally)
        row.recovery = recovery(clients.tally, closed)
        row.alive(server)
        row.settled(server, before)
    return row
