"""What was learnt, fact by fact: a line for each kind of defect, or for each caption where kinds are not given."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_in_training.adapt.measure import Right

USUAL = 30
"""Training pairs of a fact from which a gain is usual."""
KNOWN = 95.0
"""Percent of right pairs from which little is left to learn."""
LARGEST = 40
"""Facts with a line of their own; the others share one."""
OTHERS = "others"


@dataclass(frozen=True)
class Fact:
    """One line of the table."""

    name: str
    train: int
    validation: int
    test: int
    before: float | None
    """Percent of right pairs among those held out; None if there are none."""
    after: float | None

    @property
    def verdict(self) -> str:
        """In words."""
        few = f"few: {self.train} pairs, {USUAL} and more are usual" if self.train < USUAL else ""
        if self.before is None or self.after is None:
            return "; ".join(part for part in (few, "not measured: no pairs to validate on") if part)
        if self.before >= KNOWN and self.after >= self.before:
            return "known before"
        if self.after <= self.before:
            return "not learnt" + (f"; {few}" if few else "")
        return few or "enough"


def facts(
    names: dict[str, Sequence[str]], held_out: Sequence[str], before: Right, after: Right
) -> list[Fact]:
    """`names`: the facts of the pairs of each split. `held_out`: those of the pairs of `before` and `after`."""
    totals = Counter(name for split in names.values() for name in split)
    # By number and then by name, so that the order does not depend on that of the files.
    order = sorted(totals, key=lambda name: (-totals[name], name))
    own = set(order if len(order) <= LARGEST else order[: LARGEST - 1])
    shown = [name for name in order if name in own] + ([OTHERS] if len(own) < len(order) else [])

    def line(name: str) -> str:
        return name if name in own else OTHERS

    counts = {split: Counter(map(line, of_split)) for split, of_split in names.items()}
    lines = np.array([line(name) for name in held_out])
    found = []
    for name in shown:
        rows = lines == name if len(lines) else np.zeros(0, dtype=bool)
        shares = [100 * float(each.both[rows].mean()) if rows.any() else None for each in (before, after)]
        found.append(
            Fact(
                name,
                counts["train"][name],
                counts["validation"][name],
                counts["test"][name],
                shares[0],
                shares[1],
            )
        )
    return found
