"""`make deliveries`: does each decision reach the plant, with receivers away half of the time and a killed server?

Two lines inspect, and every tenth part gets a verdict. The receivers are a webhook and a broker of MQTT. Each of them
must get each message whose cause was acknowledged, in the order of its line, and what comes twice must be the same.
The exit status is 1 if that does not hold.
"""

import argparse
import base64
import importlib.util
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.faults.delivery_receivers import MOSQUITTO, Broker, Outages, Webhook
from tests.faults.fault_database import ask, picture
from tests.faults.process import ClipInProcess, free_port

LINES = ("bolts", "nuts")
DECISIONS, KILLS = 10_000, 10
VERDICT_OF = 10
EMPTY_SECONDS = 600


@dataclass
class Line:
    """What was acknowledged on a line, in order: ids of inspections and verdicts."""

    name: str
    ids: list[str] = field(default_factory=list)
    decisions: int = 0


class Plant:
    """A server that is killed and started again at the same address."""

    def __init__(self, folder: Path, sinks: str, database: str | None):
        (folder / "secret").write_text("a secret of the fault tests\n")
        (folder / "sinks.toml").write_text(sinks)
        (folder / "models").mkdir()
        self.arguments = ["--workers", 1, "--sinks", folder / "sinks.toml"]
        self.arguments += ["--admin", "--models-root", folder / "models"]
        self.arguments += ["--database", database] if database else []
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self) -> None:
        self.server = ClipInProcess("deliveries", self.folder / "state", *self.arguments, port=self.port)

    def ask_json(self, method: str, path: str, body: object = None, kind: str = "application/json"):
        """The answer of a success; none of anything else."""
        body = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        status, answer = ask(self.server, method, path, body, content_type=kind)
        return json.loads(answer) if status in (200, 201) else None

    def waiting(self) -> int:
        """Messages that wait or were given up."""
        answer = self.ask_json("GET", "/v1/admin/deliveries")
        return sum(sink["pending"] + sink["dead"] for sink in answer["data"]) if answer else -1


def inspect(plant: Plant, line: Line, decisions: int) -> None:
    """Inspects and judges, one after another, until enough is acknowledged."""
    image = picture(1)
    while line.decisions < decisions:
        path = f"/v1/lines/{line.name}/inspections"
        answer = plant.ask_json("POST", path, image, "image/png")
        if answer is None:
            time.sleep(0.05)
            continue
        line.ids.append(answer["id"])
        line.decisions += 1
        if line.decisions % VERDICT_OF == 0:
            said = plant.ask_json("POST", f"/v1/inspections/{answer['id']}/verdict", {"verdict": "ng"})
            if said is not None:
                line.ids.append(said["id"])


def violations(name: str, lines: list[Line], messages: list[dict]) -> list[str]:
    """What is lost, out of order, or another message under the same id."""
    wrong, first, bodies = [], {}, {}
    for place, message in enumerate(messages):
        first.setdefault(message["id"], place)
        body = json.dumps(message, sort_keys=True)
        if bodies.setdefault(message["id"], body) != body:
            wrong.append(f"{name}: {message['id']} came with two contents")
    for line in lines:
        lost = [id for id in line.ids if id not in first]
        if lost:
            wrong.append(f"{name}, {line.name}: {len(lost)} lost, such as {lost[0]}")
        places = [first[id] for id in line.ids if id in first]
        turned = sum(b < a for a, b in pairwise(places))
        if turned:
            wrong.append(f"{name}, {line.name}: {turned} out of order")
    return wrong


def run(decisions: int, kills: int, with_broker: bool, database: str | None = None) -> tuple[str, list[str]]:
    """A report, and what does not hold."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receivers = {"webhook": stack.enter_context(Webhook())}
        sinks = "[[sink]]\nname = 'mes'\nkind = 'webhook'\n"
        sinks += f"url = '{receivers['webhook'].url}'\nsecret_file = '{folder}/secret'\n"
        if with_broker:
            receivers["mqtt"] = stack.enter_context(Broker(folder))
            sinks += f"[[sink]]\nname = 'plc'\nkind = 'mqtt'\nurl = '{receivers['mqtt'].url}'\n"
            sinks += "topic = 'plant/{line}/{event}'\n"
        plant = Plant(folder, sinks, database)
        stack.callback(lambda: plant.server.stop())
        lines = [Line(name) for name in LINES]
        for line in lines:
            body = {"references": [base64.b64encode(picture(0)).decode()]}
            assert plant.ask_json("PUT", f"/v1/lines/{line.name}", body)
        begun = time.monotonic()
        with Outages(list(receivers.values())) as outages:
            share = -(-decisions // len(lines))
            working = [threading.Thread(target=inspect, args=(plant, line, share)) for line in lines]
            for thread in working:
                thread.start()
            for number in range(1, kills + 1):
                while sum(line.decisions for line in lines) < number * decisions // (kills + 1):
                    time.sleep(0.01)
                plant.server.kill()
                plant.start()
            for thread in working:
                thread.join()
        inspected = time.monotonic() - begun
        until = time.monotonic() + EMPTY_SECONDS
        while plant.waiting() != 0 and time.monotonic() < until:
            time.sleep(0.2)
        emptied = time.monotonic() - begun - inspected
        wrong = [] if plant.waiting() == 0 else [f"{plant.waiting()} messages still wait"]
        acknowledged = sum(len(line.ids) for line in lines)
        # The subscriber may be a moment behind the broker.
        deadline = time.monotonic() + 30
        report = [
            f"{sum(line.decisions for line in lines)} decisions, {acknowledged} messages acknowledged, "
            f"{kills} kills, {outages.count} outages, {inspected:.0f} s; outbox empty {emptied:.1f} s later"
        ]
        for name, receiver in receivers.items():
            while violations(name, lines, receiver.arrived.messages) and time.monotonic() < deadline:
                time.sleep(0.2)
            messages = receiver.arrived.messages
            twice = len(messages) - len({message["id"] for message in messages})
            wrong += violations(name, lines, messages)
            report.append(f"{name}: {len(messages)} arrived, {twice} of them again")
        return "\n".join(report), wrong


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--decisions", type=int, default=DECISIONS)
    arguments.add_argument("--kills", type=int, default=KILLS)
    arguments.add_argument("--database", help="URL of a PostgreSQL with nothing in it")
    options = arguments.parse_args()
    with_broker = bool(MOSQUITTO and importlib.util.find_spec("paho"))
    if not with_broker:
        print("without MQTT: it needs Debian's mosquitto and Python's paho-mqtt", file=sys.stderr)
    report, wrong = run(options.decisions, options.kills, with_broker, options.database)
    print("\n".join([report, *wrong]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
