"""Inputs and results of a scenario, and the rules that all scenarios must satisfy."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.clients import Clients, Tally
from tests.faults.process import ClipInProcess, Held
from tests.faults.questions import Question

CLIENTS = 8
SETTLE_SECONDS = 20.0
WARM_UP_SECONDS = 4.0
MORE_DESCRIPTORS, MORE_THREADS = 2, 4
"""Threads of the blocking pool end after ten idle seconds."""
MORE_MIB = 96.0
"""The allocator retains freed memory; a leak of every request's body would be gigabytes."""

BREAKS = "Connection(Refused|Reset)Error|RemoteDisconnected|BrokenPipeError|IncompleteRead|BadStatusLine"
HEAD = "| fault | load | what clients saw | longest wait s | growth | recovery s |\n|---|---|---|---|---|---|"


@dataclass
class Setting:
    """Shared by all scenarios."""

    folder: Path
    asked: Sequence[Question]
    expected: Sequence[Sequence[float]]
    rate: float
    """Requests per second that the machine handles easily."""
    seconds: float
    """Duration of a fault if it is adjustable."""

    def state(self, name: str) -> Path:
        """A folder for a server's label sets."""
        return self.folder / f"state-{name}"

    def clients(self, server: ClipInProcess, **more) -> Clients:
        """The background load with known answers."""
        more = {"count": CLIENTS, "rate": self.rate, **more}
        return Clients(server.address, self.asked, self.expected, **more)

    def load(self) -> str:
        """Description for the table."""
        return f"{CLIENTS} clients, {self.rate:.0f}/s"


@dataclass
class Row:
    """The result of a scenario."""

    fault: str
    load: str
    saw: list[str] = field(default_factory=list)
    longest: float = 0.0
    growth: str = ""
    recovery: str = ""
    problems: list[str] = field(default_factory=list)

    def check(self, holds: bool, problem: str) -> None:
        """A rule."""
        if not holds:
            self.problems.append(problem)

    def tally(self, tally: Tally, allowed: str = "", deadline: float = 20.0) -> None:
        """Records what clients saw: 200, and results that match `allowed`; never a wrong or a missing answer."""
        self.saw.append(str(tally))
        self.longest = max(self.longest, tally.longest())
        bad = [
            one for one in tally.seen if one.what != "200" and not (allowed and re.match(allowed, one.what))
        ]
        for one in {one.what: one for one in bad}.values():
            count = tally.counts()[one.what]
            self.problems.append(f"{count} × {one.what}, such as: {one.detail}")
        self.check(bool(tally.counts()["200"]), "nothing was answered")
        self.check(tally.longest() <= deadline + 2, f"a client waited {tally.longest():.1f} s")

    def settled(self, server: ClipInProcess, before: Held, more_mib: float = MORE_MIB) -> None:
        """Waits until the server holds no more resources than before, and records what it holds."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            after = server.held()
            over = {
                "descriptors": after.descriptors > before.descriptors + MORE_DESCRIPTORS,
                "threads": after.threads > before.threads + MORE_THREADS,
                "memory": after.rss_mib > before.rss_mib + more_mib,
            }
            if not any(over.values()) or time.monotonic() > until:
                break
            time.sleep(0.5)
        self.growth = after.growth(before)
        self.problems += [f"{what} grew: {self.growth}" for what, grew in over.items() if grew]

    def alive(self, server: ClipInProcess) -> None:
        """Checks that the server is still running."""
        self.check(server.alive(), "the server died:\n" + server.log_tail())

    def line(self) -> str:
        """A row of the table."""
        problems = "".join(f"; **WRONG: {problem.splitlines()[0][:160]}**" for problem in self.problems)
        cells = (self.fault, self.load, "; ".join(self.saw) + problems, f"{self.longest:.2f}", self.growth)
        return "| " + " | ".join((*(cell.replace("|", "/") for cell in cells), self.recovery)) + " |"


def warmed(server: ClipInProcess) -> Held:
    """Resources of the server after some time of load, without the load's connections."""
    time.sleep(WARM_UP_SECONDS)
    held = server.held()
    return replace(held, descriptors=held.descriptors - CLIENTS)


def recovery(tally: Tally, since: float) -> str:
    """Seconds from the end of a fault to the first correct answer to a request sent after it."""
    first = tally.first_right(since)
    return "never" if first is None else f"{first - since:.2f}"
