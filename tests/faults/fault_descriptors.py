"""No file descriptors left: the server may open few, and idle connections of clients use them up."""

import http.client
import json
import socket
import time

from tests.faults.clients import code_of
from tests.faults.process import ClipInProcess
from tests.faults.scenario import Row, Setting, recovery, warmed

LIMIT, IDLE = 128, 200
MOST_CPU = 0.35
"""Additional CPU use that waiting for a descriptor may cause, as a share of a core."""
MOST_LOG_LINES = 40


def run(setting: Setting) -> Row:
    """Open connections continue; waiting ones cause no busy loop; the server accepts again when idle ones close."""
    row = Row(f"{LIMIT} descriptors, {IDLE} idle connections, {setting.seconds:.0f} s", setting.load())
    wrapper = ("prlimit", f"--nofile={LIMIT}")
    with ClipInProcess("fault-descriptors", setting.state("descriptors"), wrapper=wrapper) as server:
        with setting.clients(server) as clients:
            before = warmed(server)
            since = time.monotonic(), server.cpu_seconds()
            time.sleep(4)
            usual = server.cpu_share(since, time.monotonic())
            keeper = http.client.HTTPConnection(*server.address, timeout=20)
            keeper.connect()
            keeper.request("GET", "/healthz")
            keeper.getresponse().read()
            idle = [socket.create_connection(server.address, timeout=20) for _ in range(IDLE)]
            time.sleep(1)
            held = server.held().descriptors
            row.check(held >= LIMIT - 1, f"only {held} descriptors are used")
            lines = len(server.log.read_text().splitlines())
            since = time.monotonic(), server.cpu_seconds()
            body = json.dumps({"labels": ["a", "b"]})
            keeper.request("PUT", "/v1/labelsets/x", body, {"content-type": "application/json"})
            answer = keeper.getresponse()
            found = code_of(answer.status, answer.read())
            row.saw.append(f"PUT of a label set: {found}")
            row.check(found == "500 labelset_not_stored", f"a PUT without descriptors: {found}")
            time.sleep(setting.seconds)
            full = server.cpu_share(since, time.monotonic())
            lines = len(server.log.read_text().splitlines()) - lines
            row.saw.append(f"CPU {usual:.2f} → {full:.2f} cores, {lines} log lines")
            row.check(full < usual + MOST_CPU, f"the server spins: {usual:.2f} → {full:.2f} cores")
            row.check(lines <= MOST_LOG_LINES, f"the log grows by {lines} lines")
            for connection in idle:
                connection.close()
            closed = time.monotonic()
            status = http.client.HTTPConnection(*server.address, timeout=20)
            status.request("GET", "/readyz")
            row.check(status.getresponse().status == 200, "a new connection is not answered")
            status.close()
            keeper.close()
            row.recovery = f"{time.monotonic() - closed:.2f} (a new connection)"
            time.sleep(3)
        row.tally(clients.tally)
        row.recovery += f"; {recovery(clients.tally, closed)}"
        row.alive(server)
        row.settled(server, before)
    return row
