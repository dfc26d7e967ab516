"""`make watch-folder`: a camera drops files into a folder, and `clip-in watch` is killed (SIGKILL) again and again.

Some files are written in two halves with a pause between them, some are broken, and some have a name that another
file had before. At the end each file must be in `done` or `refused`, once and unchanged, with what the server said
beside it, and the server's store must have each inspected file exactly once. Otherwise the exit status is 1.
"""

import argparse
import hashlib
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw

from tests.bench import machine
from tests.bench.paths import server_binary
from tests.faults.process import ClipInProcess

LINE = "camera"
SIDE = 96
EVERY_HALF, EVERY_BROKEN, EVERY_SAME_NAME = 10, 15, 20
"""Of so many files, one is written in two halves, is broken, or gets the name of another one."""
PAUSE_SECONDS = 1.2
"""Between the halves: longer than a file has to be unchanged, and shorter than a refused file may take to change."""
SETTLE, PATIENCE = 0.3, 6.0
LONGEST_SECONDS = 1200
"""From the last file on, until the folder has to be empty."""


def picture(number: int) -> bytes:
    """A small PNG; each number gives another one."""
    image = Image.new("RGB", (SIDE, SIDE), (30, 105, 60))
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 60, 50), fill=(45, 45, 52))
    noise = random.Random(number)
    for _ in range(60):
        draw.point((noise.randrange(SIDE), noise.randrange(SIDE)), fill=(noise.randrange(256), 90, 90))
    draw.point((number % SIDE, number // SIDE), fill=(255, 255, 255))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def digest(content: bytes) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass
class Camera:
    """Drops files at a rate, some of them broken or in two halves."""

    folder: Path
    files: int
    rate: float
    good: dict[str, str] = field(default_factory=dict)
    """Name of each whole image, by its digest."""
    broken: dict[str, str] = field(default_factory=dict)
    """The same for broken ones."""
    halves: int = 0
    same_names: int = 0

    def run(self) -> None:
        """Returns when everything is written."""
        began = time.monotonic()
        later: list[tuple[float, Path, bytes]] = []
        for number in range(self.files):
            while (now := time.monotonic()) < began + number / self.rate:
                time.sleep(0.002)
            while later and later[0][0] <= now:
                self._append(*later.pop(0)[1:])
            half = self._drop(number)
            if half:
                later.append((now + PAUSE_SECONDS, *half))
        for due, path, rest in later:
            time.sleep(max(0.0, due - time.monotonic()))
            self._append(path, rest)

    def _drop(self, number: int) -> tuple[Path, bytes] | None:
        """Writes a file. Returns what is missing of it."""
        path = self.folder / f"part-{number:05d}.png"
        content = picture(number)
        if number % EVERY_BROKEN == 7:
            content = content[: len(content) * 2 // 3]
            self.broken[digest(content)] = path.name
            path.write_bytes(content)
            return None
        same = self.folder / "same.png"
        if number % EVERY_SAME_NAME == 3 and not same.exists():
            path, self.same_names = same, self.same_names + 1
        self.good[digest(content)] = path.name
        if number % EVERY_HALF == 5 and path != same:
            self.halves += 1
            half = len(content) // 2
            path.write_bytes(content[:half])
            return path, content[half:]
        path.write_bytes(content)
        return None

    @staticmethod
    def _append(path: Path, rest: bytes) -> None:
        with path.open("ab") as file:
            file.write(rest)


class Watch:
    """`clip-in watch` as a process that can be killed and started again."""

    def __init__(self, url: str, folder: Path, log: Path):
        self.command = [server_binary(), "watch", folder, "--line", LINE, "--server", url, "--parallel", 3]
        self.command += ["--settle", SETTLE, "--poll", 0.05, "--patience", PATIENCE]
        self.command = [str(word) for word in self.command]
        self.printed, self.said = log.with_suffix(".out"), log.with_suffix(".err")
        self.kills = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen:
        with self.printed.open("ab") as printed, self.said.open("ab") as said:
            return subprocess.Popen(self.command, stdout=printed, stderr=said)

    def kill(self) -> None:
        """SIGKILL, and a new process."""
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.process = self._start()

    def end(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(150)

    def lines(self) -> list[dict]:
        """What was printed; a kill may have cut a line."""
        lines = []
        for line in self.printed.read_text().splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return lines


@dataclass
class Result:
    """What was found at the end."""

    rows: dict[str, object]
    """Name and value of each row of the table."""
    wrong: list[str]
    """What must not be."""

    def table(self) -> str:
        """The table, with its head."""
        lines = [f"| {name} | {value} |" for name, value in self.rows.items()]
        return "\n".join(["| | |", "|---|---|", *lines])


def ask(url: str, body: dict | None = None, method: str = "GET") -> bytes:
    """The body of an answer that must be a success."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def inspections(url: str) -> list[str]:
    """The ids of all inspections that the server has stored."""
    ids, after = [], ""
    while True:
        page = json.loads(ask(f"{url}/v1/lines/{LINE}/inspections?limit=200{after}"))
        ids += [row["id"] for row in page["data"]]
        if not page.get("next"):
            return ids
        after = f"&after={page['next']}"


def moved(folder: Path, expected: dict[str, str], wrong: list[str]) -> dict[str, dict]:
    """Compares the images of a folder with those that were dropped. Returns the record of each, by digest."""
    found = Counter()
    records = {}
    for path in sorted(folder.iterdir()):
        if path.name == ".clip-in-watch.lock":
            continue
        if path.suffix == ".json":
            if not path.with_suffix("").exists():
                wrong.append(f"{path.name} is alone")
        elif path.suffix == ".png" and not path.name.startswith("."):
            content = digest(path.read_bytes())
            found[content] += 1
            records[content] = json.loads(Path(f"{path}.json").read_text())
            if records[content]["file"] != expected.get(content):
                wrong.append(f"{folder.name}/{path.name} says that it was {records[content]['file']}")
        else:
            wrong.append(f"{folder.name}/{path.name} is left")
    for content, name in expected.items():
        if found[content] != 1:
            wrong.append(f"{name} is in {folder.name} {found[content]} times")
    wrong += [
        f"{records[content]['file']} is in {folder.name}" for content in found if content not in expected
    ]
    return records


def check(url: str, camera: Camera, watch: Watch, wrong: list[str]) -> Result:
    """Counts everything."""
    left = [path.name for path in camera.folder.iterdir() if path.name not in ("done", "refused")]
    wrong += [f"{name} is left" for name in left]
    done = moved(camera.folder / "done", camera.good, wrong)
    refused = moved(camera.folder / "refused", camera.broken, wrong)
    wrong += [
        f"{record['file']} has no error" for record in refused.values() if "code" not in record["error"]
    ]
    stored = Counter(inspections(url))
    ids = Counter(record["id"] for record in done.values())
    wrong += [
        f"{id_} is stored {stored[id_]} times, and answered {ids[id_]} times"
        for id_ in stored
        if ids[id_] != 1
    ]
    wrong += [f"{id_} is not stored" for id_ in ids if stored[id_] != 1]
    for content, record in done.items():
        if digest(ask(f"{url}/v1/inspections/{record['id']}/image")) != content:
            wrong.append(f"{record['file']} is stored with another image")
    lines = watch.lines()
    rows = {
        "files dropped": camera.files,
        "… of them in two halves": camera.halves,
        "… of them broken": len(camera.broken),
        "… of them with the name of another one": camera.same_names,
        "kills of `clip-in watch`": watch.kills,
        "files in `done`": len(done),
        "files in `refused`": len(refused),
        "inspections in the server's store": sum(stored.values()),
        "lines printed": len(lines),
        "… of them answers to a repeated request": sum(line.get("duplicate", False) for line in lines),
        "what must not be": len(wrong),
    }
    return Result(rows, wrong)


def run(server: ClipInProcess, folder: Path, files: int, rate: float, kills: int, seed: int) -> Result:
    """Drops files, kills, waits until nothing is left, and counts."""
    reference = b64encode(picture(10**6)).decode()
    ask(f"{server.url}/v1/lines/{LINE}", {"references": [reference]}, "PUT")
    dropped = folder / "camera"
    dropped.mkdir()
    camera = Camera(dropped, files, rate)
    watch = Watch(server.url, dropped, folder / "watch")
    wrong: list[str] = []
    try:
        thread = threading.Thread(target=camera.run)
        thread.start()
        moments = random.Random(seed)
        for _ in range(kills):
            time.sleep(moments.uniform(0.5, 1.5) * files / rate / (kills + 0.5))
            watch.kill()
        thread.join()
        until = time.monotonic() + LONGEST_SECONDS
        while any(dropped.glob("*.png")):
            if time.monotonic() > until or watch.process.poll() is not None:
                wrong.append("the folder does not become empty")
                break
            time.sleep(0.1)
        status = watch.end()
        if status != 0:
            wrong.append(f"exit status {status}: {watch.said.read_text()[-500:]}")
    finally:
        watch.process.kill()
        watch.process.wait()
    return check(server.url, camera, watch, wrong)


def main() -> int:
    """Returns 0 if every rule holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=50.0, help="files in a second")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        with ClipInProcess("watch-folder", folder / "state") as server:
            result = run(server, folder, options.files, options.rate, options.kills, options.seed)
        result.rows["seconds"] = f"{time.monotonic() - began:.0f}"
    print(machine.describe())
    print(result.table())
    for line in result.wrong[:20]:
        print(line, file=sys.stderr)
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
