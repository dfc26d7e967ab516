"""The database of the lines goes away and comes back, and the disk of the state is full."""

import base64
import http.client
import io
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw

from tests.faults.clients import code_of
from tests.faults.fault_disk import wrapper
from tests.faults.postgres import Postgres, programs
from tests.faults.process import ClipInProcess
from tests.faults.scenario import Row, Setting

OUTAGES, AWAY_SECONDS, BACK_SECONDS = 3, 6, 6
PAUSE = 0.1
"""Between two inspections of a station."""
STATIONS = {"strict": 2, "patient": 2}
"""Lines, and the number of stations that inspect on each."""
STORES = {"strict": "before", "patient": "queued"}
SIDE = 224


def picture(seed: int) -> bytes:
    """A plate with holes, as a PNG."""
    image = Image.new("RGB", (SIDE, SIDE), (40, 90 + seed % 7, 60))
    draw = ImageDraw.Draw(image)
    for row in range(3):
        for column in range(3):
            x, y = 30 + 65 * column, 30 + 65 * row
            draw.ellipse((x, y, x + 24 + seed % 3, y + 24), fill=(200, 190, 40 + 5 * (seed % 9)))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def ask(server: ClipInProcess, method: str, path: str, body=None, **headers: str) -> tuple[int, bytes]:
    """Status and body of a request; the status is 0 if there is no answer."""
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, type(error).__name__.encode()
    finally:
        connection.close()


@dataclass
class Line:
    """What the stations of a line saw."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """Ids by idempotency key."""
    counts: Counter = field(default_factory=Counter)
    longest: float = 0.0


def station(server: ClipInProcess, name: str, number: int, seen: Line, stop: threading.Event) -> None:
    """Inspects until it is stopped. It never repeats a request."""
    image, count = picture(number), 0
    while not stop.wait(PAUSE):
        count += 1
        key, begun = f"{number}-{count}", time.monotonic()
        path = f"/v1/lines/{name}/inspections?station={number}"
        status, body = ask(server, "POST", path, image, content_type="image/png", idempotency_key=key)
        seen.longest = max(seen.longest, time.monotonic() - begun)
        if status == 200:
            seen.acknowledged[key] = json.loads(body)["id"]
        seen.counts["200" if status == 200 else code_of(status, body) if status else body.decode()] += 1


def put(server: ClipInProcess, name: str) -> None:
    """Creates a line."""
    reference = base64.b64encode(picture(0)).decode()
    body = json.dumps({"references": [reference], "store": STORES[name]})
    status, answer = ask(server, "PUT", f"/v1/lines/{name}", body, content_type="application/json")
    if status != 201:
        raise RuntimeError(answer.decode(errors="replace"))


def stored(server: ClipInProcess, name: str) -> list[str]:
    """Ids of all inspections of a line, in the order in which they are listed."""
    ids, after = [], ""
    while True:
        page = json.loads(ask(server, "GET", f"/v1/lines/{name}/inspections?limit=200{after}")[1])
        ids += [one["id"] for one in page["data"]]
        if page["next"] is None:
            return ids
        after = f"&after={page['next']}"


def check(row: Row, server: ClipInProcess, lines: dict[str, Line], refused: set[str]) -> None:
    """Every acknowledged inspection is there once; what was not acknowledged may be there."""
    for name, line in lines.items():
        found = Counter(stored(server, name))
        lost = [id for id in line.acknowledged.values() if id not in found]
        twice = [id for id, count in found.items() if count > 1]
        row.check(not lost, f"{name}: {len(lost)} of {len(line.acknowledged)} are lost")
        row.check(not twice, f"{name}: {len(twice)} are there twice")
        row.check(sum(found.values()) <= line.counts.total(), f"{name}: there are more rows than requests")
        others = set(line.counts) - {"200"} - refused
        row.check(not others, f"{name}: {', '.join(sorted(others))}")
        counts = ", ".join(f"{count} × {what}" for what, count in sorted(line.counts.items()))
        row.saw.append(f"{name} ({STORES[name]}): {counts}; {sum(found.values())} rows")
        row.longest = max(row.longest, line.longest)


class Stations:
    """The stations of all lines, inside the `with` block."""

    def __init__(self, server: ClipInProcess):
        self.lines, self.stop = {name: Line() for name in STATIONS}, threading.Event()
        self.threads = [
            threading.Thread(target=station, args=(server, name, number, self.lines[name], self.stop))
            for name, count in STATIONS.items()
            for number in range(count)
        ]

    def __enter__(self) -> dict[str, Line]:
        for thread in self.threads:
            thread.start()
        return self.lines

    def __exit__(self, *_exception) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def waiting(server: ClipInProcess) -> float:
    """Number of inspections that wait for the database."""
    name = "clip_in_line_waiting_inspections "
    lines = server.get("/metrics").splitlines()
    return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def run(setting: Setting) -> Row:
    """PostgreSQL is stopped at once and started again, under inspections."""
    row = Row(f"PostgreSQL away for {AWAY_SECONDS} s, {OUTAGES} times", f"{sum(STATIONS.values())} stations")
    if programs() is None:
        row.saw.append("not measured: PostgreSQL is not installed")
        return row
    with Postgres() as postgres:
        server = ClipInProcess("fault-database", setting.state("database"), "--database", postgres.url)
        try:
            for name in STATIONS:
                put(server, name)
            times = []
            with Stations(server) as lines:
                time.sleep(BACK_SECONDS)
                for _ in range(OUTAGES):
                    postgres.stop()
                    time.sleep(AWAY_SECONDS)
                    postgres.start()
                    back, before = time.monotonic(), lines["strict"].counts["200"]
                    time.sleep(0.2)
                    while lines["strict"].counts["200"] == before or waiting(server):
                        if time.monotonic() > back + 60:
                            row.problems.append("not everything is stored after a minute")
                            break
                        time.sleep(0.1)
                    times.append(f"{time.monotonic() - back:.1f}")
                    time.sleep(BACK_SECONDS)
            row.recovery = ", ".join(times)
            check(row, server, lines, {"503 reviews_unavailable"})
            patient = lines["patient"].counts
            row.check(set(patient) == {"200"}, f"the line that may wait refused: {dict(patient)}")
            row.check(lines["strict"].counts.total() > lines["strict"].counts["200"], "nothing was refused")
            row.alive(server)
        finally:
            server.stop()
    return row


def run_full(setting: Setting) -> Row:
    """The disk of the state is full: inspections are refused, and those before are there."""
    row = Row("disk full: SQLite and images of lines", f"{sum(STATIONS.values())} stations")
    state, log = setting.state("database-disk"), setting.folder / "database-log"
    state.mkdir()
    log.mkdir()
    command = wrapper(state, log, state_kib=16 * 1024, log_kib=4096)
    if command is None:
        row.saw.append("not measured: mounting a file system is not permitted")
        return row
    server = ClipInProcess("fault-database-disk", state, wrapper=command)
    filler = Path(f"/proc/{server.pid}/root") / str(state).lstrip("/") / "filler"
    try:
        for name in STATIONS:
            put(server, name)
        with Stations(server) as lines:
            time.sleep(BACK_SECONDS)
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            time.sleep(AWAY_SECONDS)
            filler.unlink()
            freed, before = time.monotonic(), lines["strict"].counts["200"]
            while lines["strict"].counts["200"] < before + 2 and time.monotonic() < freed + 60:
                time.sleep(0.1)
            row.recovery = f"{time.monotonic() - freed:.1f}"
            time.sleep(BACK_SECONDS)
        check(row, server, lines, {"503 reviews_unavailable"})
        row.check(lines["strict"].counts.total() > lines["strict"].counts["200"], "nothing was refused")
        row.alive(server)
    finally:
        server.stop()
    return row
