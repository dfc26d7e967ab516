"""The record of an adaptation, which the provenance keeps and the report prints."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from clip_in_training.adapt.embedded import Embedded
from clip_in_training.adapt.facts import facts
from clip_in_training.adapt.measure import Right
from clip_in_training.adapt.pairs import Broken
from clip_in_training.adapt.replay import Replay


def learnt(
    splits: dict[str, Embedded], broken: Broken, held_out: Sequence[str], before: Right, after: Right
) -> dict[str, Any]:
    """Counts, and what was learnt of each fact. `held_out`: the facts of the pairs of `before` and `after`."""
    found = facts({split: pairs.facts for split, pairs in splits.items()}, held_out, before, after)
    return {
        "pairs": {
            **{split: len(pairs) for split, pairs in splits.items()},
            "broken": len(broken.records),
        },
        "held_out": measured(before, after),
        "facts": [{**asdict(fact), "verdict": fact.verdict} for fact in found],
    }


def measured(before: Right, after: Right) -> dict[str, Any]:
    """Shares in percent; pairs that were wrong before (won), and right before only (lost)."""
    return {
        "pairs": len(before.both),
        "before": before.percent,
        "after": after.percent,
        "won": int((after.both & ~before.both).sum()),
        "lost": int((before.both & ~after.both).sum()),
    }


def which_fact(before: np.ndarray, after: np.ndarray, facts: Sequence[str]) -> dict[str, Any] | None:
    """Share of the pairs whose fact is told from the others; None if there is one fact only."""
    if not len(before):
        return None
    return {
        "facts": len(set(facts)),
        "pairs": len(before),
        "before": 100 * float(before.mean()),
        "after": 100 * float(after.mean()),
    }


def protected(kept: Replay, before: float | None, after: float | None) -> dict[str, Any]:
    """Of the protected edits; `reference` is what is compared with."""
    return {
        "pairs": len(kept.halves()[1]),
        "reference": kept.reference_share(),
        "before": before,
        "after": after,
    }
