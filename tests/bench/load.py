"""The load generator: closed-loop clients and open-loop arrivals, also combined, with little CPU time.

It uses one thread and epoll rather than a thread per client, because Python's threads would wait for each other and
the machine's cores belong to the server. Requests are prebuilt bytes; of an answer only the head and the length are
read.

Closed loop: each client sends its next request when the last one is answered, so the server determines the load.
Open loop: requests arrive at a fixed rate, independent of the server. The latency of a request counts from the
moment at which it was due, so that a late generator or server does not hide its delay.
"""

import select
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.connection import BrokenConnection, Connection, Request

WARM_UP_SECONDS = 2.0
RECONNECT_SECONDS = 0.1


class LoadError(Exception):
    """A run with invalid results: a wrong status or a broken connection."""


@dataclass
class Stream:
    """Clients of one kind. Closed loop, or open loop if there is a `rate` (requests per second)."""

    requests: Sequence[Request]
    clients: int
    rate: float | None = None


@dataclass
class Outcome:
    """Results of one stream in the measured window. Latencies in seconds, by status."""

    seconds: float
    latencies: dict[int, list[float]] = field(default_factory=dict)
    due: int = 0
    """Open loop: number of requests that were due in the window."""
    unsent: int = 0
    """Open loop: requests that were due when every connection was in use; a limit of the generator, not of the
    server.
    """
    broken: int = 0
    """Connections that broke or were not answered by the end of the drain."""
    unexpected: Counter = field(default_factory=Counter)

    def count(self, status: int) -> int:
        """Answers with a status."""
        return len(self.latencies.get(status, ()))

    def answered(self) -> int:
        """Answers with any status."""
        return sum(map(len, self.latencies.values()))


@dataclass
class Run:
    """All streams of a run, the generator's own cost, and the probe's values at the steps of the window."""

    outcomes: list[Outcome]
    client_cpu_share: float
    """CPU time of the generator, as a share of one core."""
    probes: list[tuple[float, int, Any]]
    """Time, answers so far in the window, value of the probe."""


class _Loop:
    def __init__(self, address, streams, start, end):
        self.address, self.streams, self.start, self.end = address, streams, start, end
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.idle: list[list[Connection]] = [[] for _ in streams]
        self.opened = [0] * len(streams)
        self.turns = [0] * len(streams)
        self.outcomes = [Outcome(end - start) for _ in streams]
        self.due_at = [time.perf_counter()] * len(streams)
        self.lost: list[tuple[float, int, int]] = []
        self.complaint: str | None = None
        self.strict = all(stream.rate is None for stream in streams)
        self.answers = 0

    def open(self, stream: int) -> Connection:
        connection = Connection(self.address, stream, self.opened[stream])
        self.opened[stream] += 1
        self.connections[connection.file_number] = connection
        self.epoll.register(connection.file_number, select.EPOLLIN)
        return connection

    def begin(self, connection: Connection, since: float) -> None:
        requests = self.streams[connection.stream].requests
        connection.begin(requests[connection.turn % len(requests)], since)
        self.continue_sending(connection)

    def continue_sending(self, connection: Connection) -> None:
        try:
            done = connection.send()
        except BrokenConnection as error:
            self.broke(connection, error)
            return
        if connection.wants_write is done:
            connection.wants_write = not done
            events = select.EPOLLIN if done else select.EPOLLIN | select.EPOLLOUT
            self.epoll.modify(connection.file_number, events)
        if done and connection.answered:
            self.finished(connection)

    def broke(self, connection: Connection, error: Exception) -> None:
        """Handles a closed connection. It is an error only if a request was waiting for its answer."""
        stream, now = connection.stream, time.perf_counter()
        if self.connections.pop(connection.file_number, None) is None:
            return
        self.opened[stream] -= 1
        connection.close()
        if connection.request is not None and not connection.answered:
            self.outcomes[stream].broken += connection.since >= self.start
            self.complaint = self.complaint or f"a connection broke: {error}"
        elif connection.request is None:
            self.idle[stream] = [other for other in self.idle[stream] if other is not connection]
        if self.streams[stream].rate is None:
            when = now if connection.closing else now + RECONNECT_SECONDS
            self.lost.append((when, stream, connection.turn + 1))

    def replace_lost(self, now: float) -> None:
        """Opens new connections for closed-loop clients that lost theirs."""
        due = [client for client in self.lost if client[0] <= now < self.end]
        self.lost = [client for client in self.lost if client[0] > now]
        for _, stream, turn in due:
            connection = self.open(stream)
            connection.turn = turn
            self.begin(connection, now)

    def answered(self, connection: Connection, now: float) -> None:
        outcome, stream = self.outcomes[connection.stream], self.streams[connection.stream]
        # A closed loop counts answers in the window, an open loop counts requests due in the window.
        moment = now if stream.rate is None else connection.since
        if self.start <= moment < self.end:
            outcome.latencies.setdefault(connection.status, []).append(now - connection.since)
            self.answers += 1
            if connection.status not in connection.request.expected:
                outcome.unexpected[connection.status] += 1
        if connection.status not in connection.request.expected:
            text = connection.body()[:300].decode(errors="replace")
            self.complaint = self.complaint or f"status {connection.status}: {text}"
        connection.answered = True
        if connection.sent == len(connection.request.bytes):
            self.finished(connection)

    def finished(self, connection: Connection) -> None:
        """Starts the next request once the answer is complete and the request is fully sent."""
        now = time.perf_counter()
        connection.request = None
        if connection.closing:
            self.broke(connection, BrokenConnection("announced by the server"))
        elif self.streams[connection.stream].rate is not None:
            self.idle[connection.stream].append(connection)
        elif now < self.end:
            connection.turn += 1
            self.begin(connection, now)

    def send_due(self, now: float) -> None:
        for i, stream in enumerate(self.streams):
            while stream.rate is not None and self.due_at[i] <= min(now, self.end):
                due, self.due_at[i] = self.due_at[i], self.due_at[i] + 1 / stream.rate
                counted = self.start <= due < self.end
                self.outcomes[i].due += counted
                if self.idle[i]:
                    connection = self.idle[i].pop()
                elif self.opened[i] < stream.clients:
                    connection = self.open(i)
                else:
                    self.outcomes[i].unsent += counted
                    continue
                connection.turn = self.turns[i]
                self.turns[i] += 1
                self.begin(connection, due)

    def poll(self, until: float) -> None:
        now = time.perf_counter()
        next_due = [
            due for due, stream in zip(self.due_at, self.streams, strict=True) if stream.rate is not None
        ]
        wait = max(0.0, min([until, *next_due, *(when for when, _, _ in self.lost)]) - now)
        for file_number, event in self.epoll.poll(wait):
            connection = self.connections.get(file_number)
            if connection is None:
                continue
            try:
                if event & ~select.EPOLLOUT and connection.receive() and not connection.answered:
                    self.answered(connection, time.perf_counter())
            except BrokenConnection as error:
                self.broke(connection, error)
                continue
            if event & select.EPOLLOUT and connection.request is not None:
                self.continue_sending(connection)

    def busy(self) -> bool:
        return any(connection.request is not None for connection in self.connections.values())

    def close(self) -> None:
        for connection in self.connections.values():
            if connection.request is not None and connection.since >= self.start:
                self.outcomes[connection.stream].broken += 1
            connection.close()
        self.epoll.close()


def run(
    address: tuple[str, int],
    streams: Sequence[Stream],
    seconds: float,
    warm_up: float = WARM_UP_SECONDS,
    probe: Callable[[], Any] = lambda: None,
    probe_interval: float | None = None,
    drain: float = 30.0,
) -> Run:
    """Loads a server with all streams at once.

    `probe` is called at the window's start and end, and every `probe_interval` seconds within it. A run of closed
    loops fails on the first unexpected status or broken connection; with an open loop, these are counted.
    """
    start = time.perf_counter() + warm_up
    end = start + seconds
    loop = _Loop(address, streams, start, end)
    steps = 1 if probe_interval is None else max(1, round(seconds / probe_interval))
    probe_at = [start + seconds * i / steps for i in range(steps + 1)]
    probes = []
    cpu_at_start = 0.0
    try:
        for i, stream in enumerate(streams):
            for _ in range(stream.clients if stream.rate is None else 0):
                loop.begin(loop.open(i), time.perf_counter())
        while probe_at:
            now = time.perf_counter()
            if now >= probe_at[0]:
                if not probes:
                    cpu_at_start = time.process_time()
                probes.append((now, loop.answers, probe()))
                probe_at.pop(0)
                continue
            loop.send_due(now)
            loop.replace_lost(now)
            loop.poll(probe_at[0])
            if loop.strict and loop.complaint:
                raise LoadError(loop.complaint)
        share = (time.process_time() - cpu_at_start) / seconds
        loop.send_due(end)
        loop.due_at = [float("inf")] * len(streams)
        while loop.busy() and time.perf_counter() < end + drain:
            loop.lost = []
            loop.poll(end + drain)
    except BrokenConnection as error:
        raise LoadError(f"the server cannot be reached: {error}") from None
    finally:
        loop.close()
    return Run(loop.outcomes, share, probes)
