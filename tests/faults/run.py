"""`make faults`: injects production faults into a server under load and records what its clients see.

Each scenario has its own server, a fault, and eight clients whose correct answers are known, at about a third of
the machine's capacity. No answer may be wrong, no client may wait forever, and the server may only end where it is
killed. After the fault it must hold no more memory, descriptors and threads than before. Otherwise the exit status
is 1.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import machine
from tests.bench.paths import ROOT
from tests.faults import (
    fault_clock,
    fault_database,
    fault_descriptors,
    fault_disk,
    fault_kill,
    fault_model,
    fault_never_readers,
    fault_overload,
    fault_poison,
    fault_session,
    fault_slow_senders,
)
from tests.faults.clients import Clients
from tests.faults.process import ClipInProcess
from tests.faults.questions import questions, reference
from tests.faults.scenario import CLIENTS, HEAD, Row, Setting

SCENARIOS = {
    "kill": fault_kill.run,
    "model": fault_model.run,
    "disk": fault_disk.run,
    "database": fault_database.run,
    "database-disk": fault_database.run_full,
    "slow-senders": fault_slow_senders.run,
    "never-readers": fault_never_readers.run,
    "descriptors": fault_descriptors.run,
    "clock": fault_clock.run,
    "session": fault_session.run,
    "overload": fault_overload.run,
    "poison": fault_poison.run,
}
SHARE = 0.35
"""Share of the machine's capacity."""
MOST_RATE = 150.0
"""Requests per second. The clients are written in Python; beyond this rate they would take the server's CPU
time.
"""
CALIBRATION_SECONDS = 4


def prepared(folder: Path, seconds: float, rate: float | None) -> Setting:
    """The correct answers and the machine's capacity, from a server without faults."""
    asked = questions()
    with ClipInProcess("fault-reference", folder / "state-reference") as server:
        expected = reference(server.address, asked)
        with Clients(server.address, asked, expected, CLIENTS, rate=1e6) as clients:
            time.sleep(CALIBRATION_SECONDS)
        capacity = len(clients.tally.seen) / CALIBRATION_SECONDS
    print(f"capacity {capacity:.0f} requests/s in a closed loop of {CLIENTS} clients", flush=True)
    return Setting(folder, asked, expected, rate or min(MOST_RATE, SHARE * capacity), seconds)


def main() -> int:
    """Returns 0 if every rule holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios to run, separated by commas")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of a fault if it is adjustable")
    parser.add_argument("--rate", type=float, help="requests per second (default: a third of the capacity)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "faults.md")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(SCENARIOS):
        parser.error(f"{', '.join(unknown)}: none of {', '.join(SCENARIOS)}")
    rows: list[Row] = []
    lines = [machine.describe(), "", HEAD]
    with tempfile.TemporaryDirectory() as folder:
        setting = prepared(Path(folder), options.seconds, options.rate)
        for name in names:
            begun = time.monotonic()
            row = SCENARIOS[name](setting)
            rows.append(row)
            lines.append(row.line())
            print(f"{name}, {time.monotonic() - begun:.0f} s\n{row.line()}", flush=True)
            for problem in row.problems:
                print(f"WRONG: {name}: {problem}", file=sys.stderr, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
