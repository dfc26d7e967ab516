"""Clients that send known questions at a steady rate, record the results, and never retry."""

import http.client
import json
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.questions import Question, numbers, same

PAUSE_AFTER_BREAK = 0.05
STEP = 7
"""Step from one question of a client to its next one: coprime to their number, so that each client asks all."""


@dataclass(frozen=True)
class Seen:
    """One request as seen by its client."""

    begun: float
    ended: float
    what: str
    """`200`, `429 overloaded`, `ConnectionResetError`, `wrong answer` …"""
    detail: str = ""


@dataclass
class Tally:
    """All requests of a load."""

    seen: list[Seen] = field(default_factory=list)

    def counts(self) -> Counter:
        """Counts by result."""
        return Counter(one.what for one in self.seen)

    def longest(self) -> float:
        """Seconds."""
        return max((one.ended - one.begun for one in self.seen), default=0.0)

    def first_right(self, after: float) -> float | None:
        """Time of the first correct answer to a request that was sent after a moment."""
        return min((one.ended for one in self.seen if one.begun >= after and one.what == "200"), default=None)

    def since(self, moment: float) -> "Tally":
        """The requests that were sent after a moment."""
        return Tally([one for one in self.seen if one.begun >= moment])

    def __str__(self) -> str:
        return ", ".join(f"{count} × {what}" for what, count in sorted(self.counts().items()))


def code_of(status: int, body: bytes) -> str:
    """`429 overloaded`."""
    try:
        return f"{status} {json.loads(body)['error']['code']}"
    except (ValueError, KeyError, TypeError):
        return f"{status} without a code"


class Load(ABC):
    """`count` clients in separate threads, with `rate` requests per second in total, inside the `with` block."""

    def __init__(self, count: int, rate: float, deadline: float):
        """`deadline`: seconds allowed for a request."""
        self.count, self.interval, self.deadline = count, count / rate, deadline
        self.tally = Tally()
        self.stop = threading.Event()
        self._threads = [
            threading.Thread(target=self.client, args=(number,), daemon=True) for number in range(count)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(self.deadline + 10)

    @abstractmethod
    def client(self, number: int) -> None:
        """One client: asks and records the results until it is stopped."""


class Clients(Load):
    """REST clients, each with a keep-alive connection."""

    def __init__(
        self,
        address: tuple[str, int],
        questions: Sequence[Question],
        expected: Sequence[Sequence[float]] | None,
        count: int = 8,
        rate: float = 60.0,
        deadline: float = 20.0,
        others: Sequence[Sequence[Sequence[float]]] = (),
    ):
        """`others`: further correct answers, such as those of the model that replaces the first."""
        super().__init__(count, rate, deadline)
        self.address, self.questions = address, questions
        self.right = [] if expected is None else [expected, *others]

    def client(self, number: int) -> None:
        connection = http.client.HTTPConnection(*self.address, timeout=self.deadline)
        due = time.monotonic() + self.interval * number / self.count
        turn = number
        while not self.stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self.interval, time.monotonic())
            seen = self._ask(connection, turn % len(self.questions))
            self.tally.seen.append(seen)
            turn += STEP
            if not seen.what[0].isdigit():
                connection.close()
                self.stop.wait(PAUSE_AFTER_BREAK)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, which: int) -> Seen:
        question, begun = self.questions[which], time.monotonic()
        try:
            connection.request("POST", question.path, question.body, {"content-type": question.content_type})
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except TimeoutError as error:
            return Seen(begun, time.monotonic(), "no answer", f"{question.kind}: {error}")
        except (OSError, http.client.HTTPException) as error:
            return Seen(begun, time.monotonic(), type(error).__name__, f"{question.kind}: {error}")
        ended = time.monotonic()
        if status != 200:
            what = code_of(status, body)
            if status == 429 and not answer.getheader("retry-after"):
                what += " without retry-after"
            return Seen(begun, ended, what, body[:300].decode(errors="replace"))
        try:
            found = numbers(question.path, body)
        except (ValueError, KeyError, TypeError) as error:
            return Seen(begun, ended, "wrong answer", f"{question.kind}: unreadable: {error}")
        if self.right and not any(same(found, answers[which]) for answers in self.right):
            return Seen(begun, ended, "wrong answer", f"{question.kind}: {found[:4]}")
        return Seen(begun, ended, "200")
