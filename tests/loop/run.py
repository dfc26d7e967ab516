"""`make loop`: a plant in a box goes from corrections to the next model, unattended.

A line sees a kind of part that the model was not trained on, and asks people about many parts. Their corrections
become edit pairs; the model is adapted to them, passes the gate, decides in the shadow, and is promoted while 32
clients inspect. A candidate that learnt from swapped captions must be refused. Each command is killed now and then
and started again. Prints the tables of docs/src/results/loop.md. What falls short of the goals makes the exit
status 1.
"""

import argparse
import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
from clip_in_training.scratch.scenes.generate import generate_edits
from clip_in_training.scratch.scenes.setting import ALL, NARROW, SEEN, Setting

from tests.bench.contenders import ClipIn
from tests.bench.paths import ROOT
from tests.loop import tables
from tests.loop.line import (
    ADAPTED,
    CLIENTS,
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
from tests.loop.steps import Steps, clip_in, training

BUNDLE = ROOT / "models" / "clip-in-small"
PROTECTED, PROTECTED_SEED = 120, 77
"""Edits of each category, and a seed that neither training nor replay has."""
MORE_REFERENCES = 48
"""Good parts that become references, for the comparison with training."""
SWAPPED = {"source_caption": "target_caption", "target_caption": "source_caption"}


@dataclass(frozen=True)
class Parts:
    """All parts of a run."""

    labelled: list[Part]
    stream: list[Part]
    measured: list[Part]
    shadowed: list[Part]
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
            loaded=[replace(known[place % len(known)], again=1 + place // len(known)) for place in places],
        )

    @property
    def drawn(self) -> list[Part]:
        """Those that need a photograph of their own."""
        return self.labelled + self.stream + self.measured + self.shadowed


@dataclass(frozen=True)
class Training:
    """The bundle that is adapted, the folder of the run, and how often each command is killed first."""

    bundle: Path
    work: Path
    kills: int

    def export(self, plant: Plant, name: str, kills: int = 0) -> dict:
        """Pairs of what the reviewer said."""
        words = ["line", "export", LINE, "--out", self.work / name, "--model", self.bundle]
        return json.loads(clip_in(plant, *words, kills=kills).stdout)

    def adapt(self, pairs: str, out: Path, kills: int = 0) -> str:
        """A bundle that has learnt them; returns the report."""
        words = ["adapt", "--pairs", self.work / pairs, "--from", self.bundle, "--name", ADAPTED]
        done = training(*words, "--out", out, may_fail=True, kills=kills)
        return done.stdout + done.stderr

    def gate(self, plant: Plant, candidate: Path, name: str, kills: int = 0) -> dict:
        """The gate's verdict on a candidate."""
        out = self.work / name
        words = ["eval", "gate", "--baseline", self.bundle, "--candidate", candidate, "--out", out]
        words += ["--pairs", self.work / "pairs" / "test.parquet", "--protected", self.work / "protected"]
        # Short runs have fewer pairs.
        words += ["--least-pairs", 10]
        done = clip_in(plant, *words, may_fail=True, kills=kills)
        if done.returncode not in (0, 1):
            raise SystemExit(done.stderr)
        return json.loads((out / "gate.json").read_text())

    def protect(self) -> None:
        """Draws edits that must not become worse."""
        folder = self.work / "protected"
        if not folder.exists():
            generate_edits(folder, PROTECTED, seed=PROTECTED_SEED, split="test", setting=seen_by(self.bundle))

    def swap(self) -> None:
        """Pairs whose captions are those of the other side."""
        (self.work / "pairs-swapped").mkdir()
        for file in (self.work / "pairs").glob("*.parquet"):
            table = pq.read_table(file)
            names = [SWAPPED.get(name, name) for name in table.column_names]
            pq.write_table(table.rename_columns(names), self.work / "pairs-swapped" / file.name)

    def interrupted(self, plant: Plant, candidate: Path, gate: dict) -> dict[str, bool]:
        """Each command once more, killed on the way: whether the result is the same."""
        again = candidate.with_name(f"{ADAPTED}-killed")
        # Into the same folder, whose name is in the audit.
        (self.work / "pairs").rename(self.work / "pairs-first")
        self.export(plant, "pairs", self.kills)
        self.adapt("pairs", again, self.kills)
        judged = self.gate(plant, candidate, "gate-killed", self.kills)
        return {
            "export": digests(self.work / "pairs-first") == digests(self.work / "pairs"),
            "adapt": digests(candidate, "bundle.json") == digests(again, "bundle.json"),
            "gate": judged["sets"] == gate["sets"] and judged["passed"] == gate["passed"],
        }


def digests(folder: Path, *without: str) -> dict[str, str]:
    """Of the files of a folder. A bundle's manifest has the seconds that the adaptation took."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name not in without]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def seen_by(bundle: Path) -> Setting:
    """Scenes of which the bundle's training has held nothing out."""
    recipe = json.loads((bundle / "bundle.json").read_text())["provenance"].get("recipe_text", "")
    return Setting(NARROW, SEEN if "held_out = true" in recipe else ALL)


def main() -> None:
    """Runs everything."""
    options = arguments()
    work = options.work
    for folder in (
        "state",
        "models",
        "pairs",
        "pairs-swapped",
        "pairs-killed",
        "gate",
        "gate-swapped",
        "gate-killed",
    ):
        shutil.rmtree(work / folder, ignore_errors=True)
    models = work / "models"
    models.mkdir(parents=True)
    parts, steps = Parts.of(options.scale), Steps()
    train = Training(options.bundle, work, options.kills)
    with steps("draw parts"):
        photograph(parts.drawn, work / "pictures")
    more = ["--state", work / "state", "--admin", "--models-root", models]
    with ClipIn(options.bundle, *more, name="loop").start() as server:
        plant = Plant(server.url, work / "pictures")
        found = corrected(plant, parts, steps)
        with steps("export"):
            found["export"] = train.export(plant, "pairs")
        with steps("draw what is protected"):
            train.protect()
        with steps("adapt"):
            print(train.adapt("pairs", models / ADAPTED))
        if not (models / ADAPTED).exists():
            raise SystemExit("nothing was learnt")
        with steps("gate"):
            found["gate"] = train.gate(plant, models / ADAPTED, "gate")
        if not found["gate"]["passed"] and not options.any_result:
            raise SystemExit(f"the gate refused the candidate: {found['gate']['refusals']}")
        with steps("control: adapt to swapped captions, gate"):
            found["swapped"] = refused(train, plant, models)
        if train.kills:
            with steps("control: export, adapt and gate again, killed on the way"):
                found["interrupted"] = train.interrupted(plant, models / ADAPTED, found["gate"])
        promoted(plant, parts, steps, train.kills, found)
        with_references(plant, parts, steps, found)
    print(tables.all_of(found, steps.rows))
    missed = tables.missed(found)
    for each in missed:
        print(f"missed: {each}")
    raise SystemExit(1 if missed and not options.any_result else 0)


def corrected(plant: Plant, parts: Parts, steps: Steps) -> dict:
    """A calibrated line, a stream of parts with a weak lamp in the middle, and what the reviewer said."""
    with steps("calibrate"):
        report = calibrate(plant, parts.labelled)
    with steps("before: measured parts"):
        before = Figures.of(parts.measured, plant.measure(parts.measured, "before"))
    stream = parts.stream
    with steps("stream, with a weak lamp in the middle"):
        half, dark = len(stream) // 2, len(stream) // 10
        plant.stream(stream[:half], "stream")
        reasons = drift(plant, stream[half : half + dark])
        plant.stream(stream[half + dark :], "stream")
    with steps("review"):
        reviewed = plant.review("reviewer")
    return {
        "figures": {"before": before},
        "reports": {"before": report},
        "reasons": dict(reasons),
        "reviewed": reviewed,
        "undone": undo_one(plant),
    }


def refused(train: Training, plant: Plant, models: Path) -> dict | None:
    """The gate's verdict on a candidate that learnt from swapped captions; None if nothing could be learnt."""
    train.swap()
    out = models / "swapped"
    train.adapt("pairs-swapped", out)
    return train.gate(plant, out, "gate-swapped") if out.exists() else None


def promoted(plant: Plant, parts: Parts, steps: Steps, kills: int, found: dict) -> None:
    """From the bundle to the promotion and back."""
    with steps("load the model, score the labelled parts"):
        plant.ask("POST", "/v1/admin/models", {"path": ADAPTED})
        clip_in(plant, "line", "rescore", LINE, "--model", ADAPTED, kills=kills)
    with steps("shadow"):
        found["shadow"] = in_the_shadow(plant, parts.shadowed)
    with steps(f"promotion under load of {CLIENTS} clients"):
        found["load"] = promote_under_load(plant, parts.loaded, kills)
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
        count = add_reviewed(plant, MORE_REFERENCES)
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
    parser.add_argument("--kills", type=int, default=2, help="kills of each command")
    parser.add_argument(
        "--any-result", action="store_true", help="go on, whatever the gate and the figures say"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
