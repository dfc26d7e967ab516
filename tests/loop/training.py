"""From corrections to a judged bundle: export, adapt, gate, and the same with captions swapped or commands killed."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from clip_in_training.scratch.scenes.generate import generate_edits
from clip_in_training.scratch.scenes.setting import ALL, NARROW, SEEN, Setting

from tests.loop.line import ADAPTED
from tests.loop.parts import Part
from tests.loop.plant import LINE, Plant
from tests.loop.steps import NEVER, Kills, clip_in, training

PROTECTED, PROTECTED_SEED = 120, 77
"""Edits of each category unless others are asked for, and a seed that neither training nor replay has."""
EXPORT_SECONDS, ADAPT_SECONDS, GATE_SECONDS = 20.0, 45.0, 100.0
"""About as long as the commands take at full size: kills are spread over it."""
OTHER_SIDE = {"source_caption": "target_caption", "target_caption": "source_caption"}


@dataclass(frozen=True)
class Training:
    """The bundle that is adapted, the folder of the run, and how often each command is killed first."""

    bundle: Path
    work: Path
    kills: int
    protected: int
    """Edits of each category that must not become worse."""

    def export(self, plant: Plant, name: str, kills: Kills = NEVER) -> dict:
        """Pairs of what the reviewer said."""
        words = ["line", "export", LINE, "--out", self.work / name, "--model", self.bundle]
        return json.loads(clip_in(plant, *words, kills=kills).stdout)

    def check_unseen(self, pairs: str, parts: list[Part]) -> None:
        """Raises SystemExit if one of the parts, on which the result is measured, is in the pairs."""
        names = {part.label for part in parts}
        for file in sorted((self.work / pairs).glob("*.parquet")):
            learnt = names & set(pq.read_table(file, columns=["part"])["part"].to_pylist())
            if learnt:
                raise SystemExit(f"{file}: {len(learnt)} measured parts are in it, such as {min(learnt)}")

    def adapt(self, pairs: str, out: Path, kills: Kills = NEVER, name: str = ADAPTED) -> str:
        """A bundle that has learnt them; returns the report."""
        words = ["adapt", "--pairs", self.work / pairs, "--from", self.bundle, "--name", name]
        done = training(*words, "--out", out, may_fail=True, kills=kills)
        return done.stdout + done.stderr

    def gate(
        self, plant: Plant, candidate: Path, name: str, kills: Kills = NEVER, pairs: str = "pairs"
    ) -> dict:
        """The gate's verdict on a candidate."""
        out = self.work / name
        words = ["eval", "gate", "--baseline", self.bundle, "--candidate", candidate, "--out", out]
        words += ["--pairs", self.work / pairs / "test.parquet", "--protected", self.work / "protected"]
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
            generate_edits(
                folder, self.protected, seed=PROTECTED_SEED, split="test", setting=seen_by(self.bundle)
            )

    def swap(self) -> None:
        """Pairs whose captions are those of the other side."""
        (self.work / "pairs-swapped").mkdir()
        for file in (self.work / "pairs").glob("*.parquet"):
            table = pq.read_table(file)
            names = [OTHER_SIDE.get(name, name) for name in table.column_names]
            pq.write_table(table.rename_columns(names), self.work / "pairs-swapped" / file.name)

    def interrupted(self, plant: Plant, candidate: Path, gate: dict) -> dict[str, bool]:
        """Each command once more, killed on the way: whether the result is the same."""
        again = candidate.with_name(f"{ADAPTED}-killed")
        # Into the same folder, whose name is in the audit.
        (self.work / "pairs").rename(self.work / "pairs-first")
        self.export(plant, "pairs", Kills(self.kills, EXPORT_SECONDS))
        self.adapt("pairs", again, Kills(self.kills, ADAPT_SECONDS))
        judged = self.gate(plant, candidate, "gate-killed", Kills(self.kills, GATE_SECONDS))
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
