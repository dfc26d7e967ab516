"""How soon a line notices that its scores or its lamp have changed, and how often it says so without a reason."""

from dataclasses import dataclass

from tests.bench.report import table
from tests.promises import numerics
from tests.promises.line import Line, side_by_side
from tests.promises.parts import OK, Drawn
from tests.promises.pool import Scored
from tests.promises.redraws import SEED, percent

REFERENCES, RUNS = 1000, 301
SHIFTS = {0.2: 292, 0.5: 58, 1.0: 27}
"""Shift in standard deviations -> parts that the published recipe takes, as calculated."""
FALSE_ALARMS = 0.025
"""Of runs of 10,000 parts, as calculated."""
TOLERANCE = 0.3
QUIET = (0, 5000)

LAMPS = (0.97, 0.95, 0.9, 0.8, 0.6)
"""Factors of the light."""
QUIET_PARTS, MOST_DIMMED = 500, 200
FIRST_LOT = 20_000
"""Where parts of the stream come from."""


def shifts(name: str, parts: list[Scored]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table of injected shifts of a pool's OK scores, and what is not as calculated."""
    scores = [part.score for part in parts if part.what == "ok"]
    task = {"seed": SEED, "scores": scores, "references": REFERENCES, "runs": RUNS}
    found = numerics.run("injected_shifts", {**task, "shifts": list(SHIFTS), "quiet": list(QUIET)})
    rows, missed = [], []
    for quiet in QUIET:
        delays = {each["shift"]: each["parts"] for each in found["delays"] if each["quiet"] == quiet}
        rows.append([name, str(quiet), *(str(delays[shift] or "none") for shift in SHIFTS)])
        for shift, wanted in SHIFTS.items():
            late = delays[shift] is None or delays[shift] > wanted * (1 + TOLERANCE)
            if quiet == 0 and late:
                missed.append(
                    f"{name}: a shift of {shift} sd is seen after {delays[shift]} parts, not {wanted}"
                )
    rows[0].append(percent(found["false_alarms"]))
    rows[1].append("")
    if found["false_alarms"] > FALSE_ALARMS * (1 + TOLERANCE):
        missed.append(f"{name}: {percent(found['false_alarms'])} false alarms in 10,000 parts")
    return rows, missed


def shift_table(rows: list[list[str]]) -> str:
    """The table of injected shifts."""
    head = ["scores of", "quiet parts before", *(f"{shift} sd" for shift in SHIFTS)]
    return table([*head, "false alarms in 10,000 parts"], rows)


@dataclass
class Stream:
    """OK parts as they come, all of other lots than those of the calibration."""

    line: Line
    sent: int = 0

    def next(self, count: int, lamp: float) -> list[dict]:
        """The answers to the next parts."""
        numbers = range(self.sent, self.sent + count)
        self.sent += count

        def inspect(number: int) -> dict:
            # Lots follow each other, as on a line.
            lot, part = divmod(number, 5)
            return self.line.inspect(Drawn(self.line.name, OK, FIRST_LOT + lot, part).png(lamp))

        return list(side_by_side(inspect, numbers))


def lamp(line: Line) -> str:
    """The table of dimmed lamps, by pictures through the route of a calibrated line."""
    stream = Stream(line)
    quiet = stream.next(QUIET_PARTS, 1.0)
    rows = [_row("as calibrated", quiet)]
    for factor in LAMPS:
        line.end_alarm()
        answers: list[dict] = []
        while len(answers) < MOST_DIMMED:
            answers += stream.next(10, factor)
            by_camera = sum("camera" in answer["reasons"] for answer in answers)
            if by_camera == len(answers) >= 20 or "drift" in answers[-1]["reasons"]:
                break
        rows.append(_row(f"{percent(1 - factor)} darker", answers))
    line.end_alarm()
    head = [
        "lamp",
        "parts sent",
        "`camera`",
        "first `camera`",
        "first `drift`",
        "decided `ok`",
        "decided `ng`",
    ]
    return table(head, rows)


def _row(name: str, answers: list[dict]) -> list[str]:
    def first(reason: str) -> str:
        places = [place for place, answer in enumerate(answers, 1) if reason in answer["reasons"]]
        return str(places[0]) if places else "none"

    def share(decision: str) -> str:
        return percent(sum(answer["decision"] == decision for answer in answers) / len(answers))

    by_camera = sum("camera" in answer["reasons"] for answer in answers) / len(answers)
    counts = [str(len(answers)), percent(by_camera), first("camera"), first("drift")]
    return [name, *counts, share("ok"), share("ng")]
