"""A full disk for label sets and for the log."""

import http.client
import json
import subprocess
import time
from pathlib import Path

from tests.faults.clients import code_of
from tests.faults.process import ClipInProcess
from tests.faults.scenario import Row, Setting, recovery, warmed

STATE_KIB, LOG_KIB = 512, 64
MOUNTS = (
    'mount -t tmpfs -o size={state}k none "$0" && mount -t tmpfs -o size={log}k none "$1" && '
    'log="$1/log" && shift && exec "$@" 2>"$log"'
)


def wrapper(
    state: Path, log: Path, state_kib: int = STATE_KIB, log_kib: int = LOG_KIB
) -> tuple[str, ...] | None:
    """Commands that give the server its own file systems, where that is permitted."""
    script = MOUNTS.format(state=state_kib, log=log_kib)
    for unshare in (("unshare", "-m"), ("unshare", "-r", "-m")):
        command = (*unshare, "sh", "-c", script, str(state), str(log))
        try:
            if subprocess.run((*command, "true"), capture_output=True).returncode == 0:
                return command
        except OSError:
            return None
    return None


def call(server: ClipInProcess, method: str, name: str, labels: int = 0) -> tuple[str, dict]:
    """Sends a request for a label set; returns status and code, and the answer."""
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    try:
        body = json.dumps({"labels": [f"label {i} of {name}" for i in range(labels)]}) if labels else None
        connection.request(method, f"/v1/labelsets/{name}", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        return (str(answer.status) if answer.status < 300 else code_of(answer.status, text)), json.loads(text)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, {}
    finally:
        connection.close()


def run(setting: Setting) -> Row:
    """A PUT that does not fit fails with a code and leaves no file; existing sets stay; answers continue."""
    row = Row(f"disk full: {STATE_KIB} KiB for label sets, {LOG_KIB} for a debug log", setting.load())
    state, log = setting.state("disk"), setting.folder / "log"
    state.mkdir()
    log.mkdir()
    command = wrapper(state, log)
    if command is None:
        row.saw.append("not measured: mounting a file system is not permitted")
        return row
    server = ClipInProcess("fault-disk", state, "--log", "debug", wrapper=command)
    inside = Path(f"/proc/{server.pid}/root")
    files = inside / str(state).lstrip("/") / "labelsets"
    try:
        with setting.clients(server) as clients:
            before = warmed(server)
            puts = [call(server, "PUT", f"small-{i}", 20)[0] for i in range(3)]
            row.check(set(puts) == {"201"}, f"sound sets are refused: {puts}")
            refused = []
            for i in range(3):
                refused.append(call(server, "PUT", f"large-{i}", 400)[0])
                refused.append(call(server, "PUT", "small-0", 400)[0])
            row.saw.append(f"PUTs that do not fit: {', '.join(sorted(set(refused)))}")
            row.check(set(refused) == {"500 labelset_not_stored"}, f"PUTs that do not fit: {refused}")
            row.check(call(server, "GET", "large-0")[0] == "404 labelset_not_found", "half a set is in use")
            kept = call(server, "GET", "small-0")[1]
            row.check(
                len(kept.get("labels", ())) == 20, "a set that could not be replaced is not the old one"
            )
            left = sorted(file.name for file in files.iterdir())
            row.check(left == [f"small-{i}.json" for i in range(3)], f"on the disk are {left}")
            deadline = time.monotonic() + 30
            log_file = inside / str(log).lstrip("/") / "log"
            while log_file.stat().st_size < (LOG_KIB - 4) * 1024 and time.monotonic() < deadline:
                time.sleep(0.5)
            row.check(log_file.stat().st_size >= (LOG_KIB - 4) * 1024, "the log did not fill up")
            time.sleep(3)
            freed = time.monotonic()
            row.check(call(server, "DELETE", "small-2")[0] == "200", "a set cannot be deleted")
            again = call(server, "PUT", "again", 20)[0]
            row.check(again == "201", f"a PUT that fits again: {again}")
            row.recovery = f"{time.monotonic() - freed:.2f} (a PUT); {recovery(clients.tally, freed)}"
            time.sleep(1)
        row.tally(clients.tally)
        row.alive(server)
        row.settled(server, before)
    finally:
        server.stop()
    return row
