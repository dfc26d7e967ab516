"""What happens on the line of the loop: calibration, a weak lamp, shadow, promotion under load, more references."""

import base64
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.loop.parts import DIMMED, GOOD_TEXT, WORDS, Part, photograph, series
from tests.loop.plant import LINE, Plant
from tests.loop.steps import Kills, clip_in

ADAPTED, SWAPPED = "mugs-2", "mugs-swapped"
"""The model that learns, and one that learns from captions of the other side."""
PROMISE = {"escape": 0.05, "overkill": 0.05, "delta": 0.05}
SPLIT = {"fit": 0.25, "calibrate": 0.6}
CLIENTS, TIMES = 32, 5
"""Clients during the promotion, and how often each sends an inspection."""
AT_ONCE = 16
"""Inspections that become references in one command."""


def calibrate(plant: Plant, labelled: list[Part]) -> dict:
    """Creates the line and calibrates it with labelled parts."""
    references = series("reference", 10, 0.0)
    photograph(references, plant.pictures)
    images = [encoded(part.file(plant.pictures)) for part in references]
    statements = [{"text": text, "reference_text": GOOD_TEXT, "kind": kind} for kind, text in WORDS.items()]
    line = {"references": images, "statements": statements, "promise": PROMISE, "split": SPLIT}
    plant.ask("PUT", f"/v1/lines/{LINE}", line)

    def add(first: int) -> None:
        parts = [
            {
                "lot": part.name,
                "class": "ng" if part.is_ng else "ok",
                "images": [encoded(part.file(plant.pictures))],
            }
            for part in labelled[first : first + 8]
        ]
        body = {"declared": "the first series", "parts": parts, "calibrate": False}
        plant.ask("POST", f"/v1/lines/{LINE}/calibrations", body)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, range(0, len(labelled), 8)))
    return plant.ask("POST", f"/v1/lines/{LINE}/calibrations", {})


def encoded(file: Path) -> str:
    """A file as base64."""
    return base64.b64encode(file.read_bytes()).decode()


def drift(plant: Plant, parts: list[Part]) -> Counter:
    """The lamp becomes weak for a while; a person then ends the alarm. Returns the reasons of the answers."""
    dimmed = [Part(part.series, part.number, part.is_ng, DIMMED) for part in parts]
    photograph(dimmed, plant.pictures)
    answers = plant.stream(dimmed, "stream")
    plant.ask("DELETE", f"/v1/lines/{LINE}/drift")
    return Counter(reason for answer in answers for reason in answer["reasons"])


def undo_one(plant: Plant) -> str:
    """Undoes a verdict that was wrong, if there is one. Returns its inspection."""
    after = ""
    while True:
        more = f"?after={after}" if after else ""
        page = plant.ask("GET", f"/v1/lines/{LINE}/corrections{more}")
        for item in page["data"]:
            part = plant.truth[item["part"]]
            if not item["left_out"] and (item["verdict"]["verdict"] == "ng") != part.is_ng:
                plant.ask("DELETE", f"/v1/inspections/{item['inspection']}/verdict")
                return item["inspection"]
        after = page["next"]
        if not after:
            return "none was wrong"


def in_the_shadow(plant: Plant, model: str, parts: list[Part]) -> dict:
    """Has a candidate decide live parts beside the line, and people say who is right where both differ."""
    path = f"/v1/admin/lines/{LINE}/shadow"
    plant.ask("POST", path, {"model": model, "share": 1.0})
    time.sleep(2)
    # A person ends each alarm: parts that an alarm sends to review would say nothing about the models.
    plant.measure(parts, f"shadow of {model}")
    wait_until(lambda: plant.ask("GET", path)["inspections"] >= 0.9 * len(parts), 120)
    # They are the first in the queue.
    plant.review("after-the-shadow", plant.ask("GET", path)["differ"])
    plant.ask("DELETE", path)
    status = plant.ask("GET", path)
    return {name: status[name] for name in status if name not in ("calibration", "object")}


def promote_under_load(plant: Plant, parts: list[Part], kills: Kills) -> dict:
    """Promotes while clients inspect, each of them sending everything several times. Returns what was counted."""
    answers: dict[str, list[dict]] = {part.label: [] for part in parts}
    lock = threading.Lock()

    def client(part: Part) -> None:
        for _ in range(TIMES):
            answer = plant.inspect(part, "load")
            with lock:
                answers[part.label].append(answer)

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client, part) for part in parts]
        while sum(map(len, answers.values())) < len(parts) * TIMES // 4:
            time.sleep(0.1)
        started = time.monotonic()
        clip_in(plant, "line", "promote", LINE, "--model", ADAPTED, kills=kills)
        switched = time.monotonic() - started
        for each in running:
            each.result()
    different = sum(len({answer["id"] for answer in each}) != 1 for each in answers.values())
    listed: list[str] = []
    after = ""
    while True:
        more = f"&after={after}" if after else ""
        page = plant.ask("GET", f"/v1/lines/{LINE}/inspections?limit=200{more}")
        listed += [item["part"] for item in page["data"] if item["part"] in answers]
        after = page["next"]
        if not after:
            break
    models = Counter(each[0]["model"] for each in answers.values())
    return {
        "requests": sum(map(len, answers.values())),
        "inspections": len(parts),
        "answered differently": different,
        "lost": len(set(answers) - set(listed)),
        "stored twice": len(listed) - len(set(listed)),
        "decided by": dict(models),
        "seconds": round(switched, 1),
    }


def rolled_back(plant: Plant) -> dict:
    """How long the way back takes, and the way forth again."""
    started = time.monotonic()
    back = plant.ask("POST", f"/v1/lines/{LINE}/rollback")
    seconds = time.monotonic() - started
    forth = plant.ask("POST", f"/v1/lines/{LINE}/rollback")
    return {"to": back["model"], "seconds": round(seconds, 2), "and again to": forth["model"]}


def add_reviewed(plant: Plant, among: list[Part], count: int) -> int:
    """Makes some of the parts, which the reviewer found OK, references of the line. Returns how many."""
    names, good, after = {part.label for part in among}, [], ""
    while True:
        more = f"&after={after}" if after else ""
        page = plant.ask("GET", f"/v1/lines/{LINE}/inspections?verdict=ok&limit=200{more}")
        good += [
            one
            for one in page["data"]
            if one["part"] in names and "drift" not in one["reasons"] and not one["audit"]
        ]
        after = page["next"]
        if not after:
            break
    ids = [one["id"] for one in good[:count]]
    for first in range(0, len(ids), AT_ONCE):
        words = [word for one in ids[first : first + AT_ONCE] for word in ("--inspection", one)]
        clip_in(plant, "line", "add-references", LINE, *words, "--accept-weaker")
    return len(ids)


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    """Waits."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.5)
