"""The wall clock jumps by an hour and by a day, forwards and back: no timeout may depend on it."""

import json
import time
import urllib.request
from pathlib import Path

from tests.faults.process import ClipInProcess
from tests.faults.scenario import Row, Setting, recovery, warmed

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
JUMPS = ("+3600", "-3600", "+86400", "-86400", "+0")
MOST_ERROR = 5.0
LABELS = json.dumps({"labels": ["a red bolt", "a blue mug"]}).encode()


def clock_of(server: ClipInProcess) -> float:
    """The server's clock: the creation time of a label set.

    The `date` header of answers is cached and does not change when the clock goes back.
    """
    url, kind = f"{server.url}/v1/labelsets/now", {"content-type": "application/json"}
    request = urllib.request.Request(url, LABELS, kind)
    request.method = "PUT"
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["created"]


def run(setting: Setting) -> Row:
    """No timeout fires, and no answer is late or wrong."""
    row = Row(f"wall clock jumps: {', '.join(JUMPS)} s", setting.load())
    if not LIBRARIES:
        row.saw.append("not measured: apt-get install faketime")
        return row
    offset = setting.folder / "offset"
    offset.write_text("+0\n")
    environment = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        # As with a real clock: CLOCK_MONOTONIC does not jump.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    # Shorter than any jump, so that a timeout on the wall clock would fire.
    arguments = ("--request-seconds", 20, "--header-seconds", 20)
    with ClipInProcess("fault-clock", setting.state("clock"), *arguments, environment=environment) as server:
        with setting.clients(server) as clients:
            before = warmed(server)
            for jump in JUMPS:
                offset.write_text(jump + "\n")
                jumped = time.monotonic()
                time.sleep(max(3.0, setting.seconds / len(JUMPS)))
                error = clock_of(server) - time.time() - float(jump)
                row.check(abs(error) < MOST_ERROR, f"the clock did not jump by {jump}: {error:+.0f} s off")
        row.tally(clients.tally)
        row.recovery = recovery(clients.tally, jumped)
        row.check("ready 1" in server.get("/metrics"), "not ready after the jumps")
        row.alive(server)
        row.settled(server, before)
    return row
