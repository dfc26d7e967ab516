"""kill -9 during work, and a restart on the same port."""

import json
import time
import urllib.request

from tests.faults.process import ClipInProcess
from tests.faults.scenario import BREAKS, Row, Setting, recovery, warmed

KILLS = 3
SET = json.dumps({"labels": ["a red bolt", "a blue mug"]}).encode()


def run(setting: Setting) -> Row:
    """Requests in flight fail; later ones are correct, and an acknowledged label set exists."""
    row = Row(f"kill -9 and restart, {KILLS} times", setting.load())
    state = setting.state("kill")
    server = ClipInProcess("fault-kill", state)
    put = urllib.request.Request(f"{server.url}/v1/labelsets/kept", SET, {"content-type": "application/json"})
    put.method = "PUT"
    urllib.request.urlopen(put, timeout=20).close()
    times = []
    try:
        with setting.clients(server) as clients:
            before = warmed(server)
            for _ in range(KILLS):
                server.kill()
                restarted = time.monotonic()
                server = ClipInProcess("fault-kill", state, port=server.port)
                time.sleep(4)
                times.append(recovery(clients.tally, restarted))
        row.tally(clients.tally, BREAKS)
        row.recovery = ", ".join(times)
        row.check("never" not in times, "no answer after a restart")
        row.check('"kept"' in server.get("/v1/labelsets/kept"), "the label set is gone")
        row.settled(server, before)
    finally:
        server.stop()
    return row
