"""The legitimate client during an attack: one image and one text, several times a second, each text different."""

import http.client
import itertools
import json
import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.questions import JSON, encoded, samples

PATIENCE = 20.0
"""Timeout in seconds; a missing answer counts as this long."""


@dataclass
class Seen:
    """Results of the legitimate client during an attack."""

    seconds: list[float] = field(default_factory=list)
    """Seconds from sending to the answer; infinite for a request that was not answered with 200."""
    refusals: Counter = field(default_factory=Counter)

    def p99(self) -> float:
        """The 99th percentile by nearest rank: infinite if more than one in a hundred was not answered."""
        ranked = sorted(self.seconds)
        return ranked[math.ceil(0.99 * len(ranked)) - 1] if ranked else math.inf


class Bystander:
    """Sends `rate` requests per second on `count` connections, inside the `with` block."""

    def __init__(self, address: tuple[str, int], count: int = 4, rate: float = 12.0):
        self.seen = Seen()
        self._address, self._interval = address, count / rate
        self._stop, self._numbers = threading.Event(), itertools.count()
        self._images = [encoded(image) for image in samples()]
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(count)]

    def __enter__(self) -> "Bystander":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE + 5)

    def body(self) -> bytes:
        """A request that no cache contains."""
        number = next(self._numbers)
        image = self._images[number % len(self._images)]
        return json.dumps({"input": [f"a red bolt, number {number}", {"image": image}]}).encode()

    def _ask_on(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE)
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                connection.request("POST", "/v1/embeddings", self.body(), {"content-type": JSON})
                answer = connection.getresponse()
                status, content = answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.seen.refusals[type(error).__name__] += 1
                self.seen.seconds.append(math.inf)
            else:
                taken = time.monotonic() - begun
                self.seen.seconds.append(taken if status == 200 else math.inf)
                if status != 200:
                    self.seen.refusals[f"{status} {_code(content)}"] += 1
            self._stop.wait(max(0.0, begun + self._interval - time.monotonic()))
        connection.close()


def _code(content: bytes) -> str:
    try:
        return json.loads(content)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return "without a code"
