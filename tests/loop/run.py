"""`make loop`: a plant in a box goes from corrections to the next model, unattended.

A line sees a kind of part that the model was not trained on, and asks people about many parts. Their corrections
become edit pairs; the model is adapted to them, passes the gate, decides in the shadow, and is promoted while 32
clients inspect. A candidate that learnt from swapped captions must be refused by the gate; if the captions that the
gate tests with are as wrong, so that it passes, the shadow must show it. Each command is killed now and then and
started again. Prints the tables of docs/src/results/loop.md. What falls short of the goals makes the exit
status 1.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.contenders import ClipIn
from tests.bench.paths import ROOT
from tests.loop import tables
from tests.loop.line import (
    ADAPTED,
    CLIENTS,
    SWAPPED,
    add_reviewed,
    calibrate,
    drift,
    in_the_shadow,
    promote_under_load,
    rolled_back,
    undo_one,
)
from tests.loop.parts import Part, photograph, series
from tests.loop.plant import LINE, Figures, Plant
from tests.loop.steps import Kills, Steps, clip_in
from tests.loop.training import PROTECTED, Training

BUNDLE = ROOT / "models" / "clip-in-small"
RESCORE_SECONDS, PROMOTE_SECONDS = 40.0, 0.15
"""About as long as the commands take: kills are spread over it."""
MORE_REFERENCES = 48
"""Good parts that become references, for the comparison with training."""


@dataclass(frozen=True)
class Parts:
    """All parts of a run."""

    labelled: list[Part]
    stream: list[Part]
    measured: list[Part]
    shadowed: list[Part]
    shadowed_again: list[Part]
    loaded: list[Part]

    @classmethod
    def of(cls, scale: float) -> "Parts":
        """Their numbers are multiplied by a factor."""
        stream = series("stream", int(500 * scale), 0.4)
        measured = series("measured", int(300 * scale), 0.5)
        # Their photographs once more, under other names: drawing takes longer than inspecting.
        known = stream + measured
        places = range(int(2000 * scale))
        return cls(
            # A promise of 5 % needs 72 parts of a class in the lots that calibrate.
            labelled=series("labelled", max(int(480 * scale), 340), 0.5),
            stream=stream,
            measured=measured,
            shadowed=series("shadowed", int(100 * scale), 0.5),
            shadowed_again=series("shadowed-again", int(200 * scale), 0.5),
            loaded=[replace(known[place % len(known)], again=1 + place // len(known)) for place in places],
        )

    @property
    def drawn(self) -> list[Part]:
        """Those that need a photograph of their own."""
        return self.labelled + self.stream + self.measured + self.shadowed + self.shadowed_again


PAIRS = ("pairs", "pairs-swapped", "pairs-first")
GATES = ("gate", "gate-swapped", "gate-deceived", "gate-killed")
FOLDERS = ("state", "models", *PAIRS, *GATES)
"""What a run writes anew into its folder."""
UNFINISHED = "found.json"
"""What a run that ended early had found."""


def emptied(work: Path) -> Path:
    """Removes what an earlier run left, and returns the folder for models."""
    for folder in FOLDERS:
        shutil.rmtree(work / folder, ignore_errors=True)
    (work / UNFINISHED).unlink(missing_ok=True)
    models = work / "models"
    models.mkdir(parents=True)
    return models


def main() -> None:
    """Runs everything."""
    options = arguments()
    work, models = options.work, emptied(options.work)
    parts, steps = Parts.of(options.scale), Steps()
    train = Training(options.bundle, work, options.kills, options.protected)
    with steps("draw parts"):
        photograph(parts.drawn, work / "pictures")
    found: dict = {}
    with served(options.bundle, work) as plant:
        try:
            everything(plant, parts, steps, train, (models, options.any_result), found)
        except BaseException:
            unfinished = work / UNFINISHED
            unfinished.write_text(json.dumps(found, default=str, indent=1))
            print(f"what was found until then: {unfinished}", file=sys.stderr)
            raise
    print(tables.all_of(found, steps.rows))
    for each in tables.winning_controls(found):
        print(f"control: {each}")
    missed = tables.missed(found)
    for each in missed:
        print(f"missed: {each}")
    raise SystemExit(1 if missed and not options.any_result else 0)


def everything(
    plant: Plant, parts: Parts, steps: Steps, train: Training, candidates: tuple[Path, bool], found: dict
) -> None:
    """The loop and its controls. `candidates`: their folder, and whether a refused one goes on."""
    models, any_result = candidates
    found.update(corrected(plant, parts, steps))
    with steps("export"):
        found["export"] = train.export(plant, "pairs")
        train.check_unseen("pairs", parts.measured)
    learn(train, plant, models, steps, found)
    if not found["gate"]["passed"] and not any_result:
        raise SystemExit(f"the gate refused the candidate: {found['gate']['refusals']}")
    with steps("control: adapt to swapped captions, gate"):
        found["swapped"] = refused(train, plant, models)
    if train.kills:
        with steps("control: export, adapt and gate again, killed on the way"):
            found["interrupted"] = train.interrupted(plant, models / ADAPTED, found["gate"])
    # Only now: what waits for people is reviewed, and would be learnt from.
    with steps("before: measured parts"):
        found["figures"]["before"] = Figures.of(parts.measured, plant.measure(parts.measured, "before"))
    promoted(plant, parts, steps, train.kills, found)
    with steps("control: swapped captions in the gate, too; shadow beside the adapted model"):
        found["deceived"] = deceived(train, plant, models, parts.shadowed_again)
    with_references(plant, parts, steps, found)


@contextmanager
def served(bundle: Path, work: Path) -> Iterator[Plant]:
    """A server with the line's store in the folder of the run."""
    more = ["--state", work / "state", "--admin", "--models-root", work / "models"]
    with ClipIn(bundle, *more, name="loop").start() as server:
        yield Plant(server.url, work / "pictures")


def learn(train: Training, plant: Plant, models: Path, steps: Steps, found: dict) -> None:
    """From pairs to a bundle that the gate has judged."""
    with steps("draw what is protected"):
        train.protect()
    with steps("adapt"):
        print(train.adapt("pairs", models / ADAPTED))
    if not (models / ADAPTED).exists():
        raise SystemExit("nothing was learnt")
    with steps("gate"):
        found["gate"] = train.gate(plant, models / ADAPTED, "gate")


def corrected(plant: Plant, parts: Parts, steps: Steps) -> dict:
    """A calibrated line, a stream of parts with a weak lamp in the middle, and what the reviewer said."""
    with steps("calibrate"):
        report = calibrate(plant, parts.labelled)
    stream = parts.stream
    with steps("stream, with a weak lamp in the middle"):
        half, dark = len(stream) // 2, len(stream) // 10
        plant.stream(stream[:half], "stream")
        reasons = drift(plant, stream[half : half + dark])
        plant.stream(stream[half + dark :], "stream")
    with steps("review"):
        reviewed = plant.review("reviewer")
    return {
        "figures": {},
        "reports": {"before": report},
        "reasons": dict(reasons),
        "reviewed": reviewed,
        "undone": undo_one(plant),
    }


def refused(train: Training, plant: Plant, models: Path) -> dict | None:
    """The gate's verdict on a candidate that learnt from swapped captions; None if nothing could be learnt."""
    train.swap()
    out = models / SWAPPED
    train.adapt("pairs-swapped", out, name=SWAPPED)
    return train.gate(plant, out, "gate-swapped") if out.exists() else None


def deceived(train: Training, plant: Plant, models: Path, parts: list[Part]) -> dict | None:
    """A gate whose captions are as wrong as those of the training, and then a shadow beside the adapted model."""
    out = models / SWAPPED
    if not out.exists():
        return None
    gate = train.gate(plant, out, "gate-deceived", pairs="pairs-swapped")
    plant.ask("POST", "/v1/admin/models", {"path": SWAPPED})
    clip_in(plant, "line", "rescore", LINE, "--model", SWAPPED)
    return {"gate": gate, "shadow": in_the_shadow(plant, SWAPPED, parts)}


def beside(plant: Plant, parts: Parts, steps: Steps, kills: int, found: dict) -> None:
    """The new model scores the labelled parts, and decides in the shadow."""
    with steps("load the model, score the labelled parts"):
        plant.ask("POST", "/v1/admin/models", {"path": ADAPTED})
        clip_in(plant, "line", "rescore", LINE, "--model", ADAPTED, kills=Kills(kills, RESCORE_SECONDS))
    with steps("shadow"):
        found["shadow"] = in_the_shadow(plant, ADAPTED, parts.shadowed)


def promoted(plant: Plant, parts: Parts, steps: Steps, kills: int, found: dict) -> None:
    """From the bundle to the promotion and back."""
    beside(plant, parts, steps, kills, found)
    with steps(f"promotion under load of {CLIENTS} clients"):
        found["load"] = promote_under_load(plant, parts.loaded, Kills(kills, PROMOTE_SECONDS))
    with steps("after: measured parts"):
        answers = plant.measure(parts.measured, "after")
    note(plant, found, "after", Figures.of(parts.measured, answers))
    with steps("roll back, and promote again"):
        found["back"] = rolled_back(plant)


def with_references(plant: Plant, parts: Parts, steps: Steps, found: dict) -> None:
    """What reviewed good parts as references give, without training, and with it."""
    measured = parts.measured
    with steps("control: the model of before, with reviewed good parts as references"):
        plant.ask("POST", f"/v1/lines/{LINE}/rollback")
        count = add_reviewed(plant, parts.stream, MORE_REFERENCES)
        note(
            plant,
            found,
            f"before, {count} more references",
            Figures.of(measured, plant.measure(measured, "more")),
        )
    with steps("control: the adapted model with them"):
        clip_in(plant, "line", "rescore", LINE, "--model", ADAPTED)
        clip_in(plant, "line", "promote", LINE, "--model", ADAPTED, "--accept-weaker")
        note(
            plant,
            found,
            f"after, {count} more references",
            Figures.of(measured, plant.measure(measured, "both")),
        )


def note(plant: Plant, found: dict, name: str, figures: Figures) -> None:
    """Adds how the line decides now, and what its calibration says."""
    found["figures"][name] = figures
    found["reports"][name] = plant.ask("GET", f"/v1/lines/{LINE}")["calibration"]


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "loop", help="folder of the run")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the numbers of parts")
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="bundle to start with")
    parser.add_argument("--protected", type=int, default=PROTECTED, help="protected edits of each category")
    parser.add_argument("--kills", type=int, default=2, help="kills of each command")
    parser.add_argument(
        "--any-result", action="store_true", help="go on, whatever the gate and the figures say"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
