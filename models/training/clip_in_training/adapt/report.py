"""What an adaptation prints: what was learnt by fact, what was kept, and the strength."""

import math
from typing import Any

from clip_in_training.adapt.pairs import Broken

NAMED = 10
"""Broken records that are named one by one."""
MUCH = 5.0
"""Points."""


def report(entry: dict[str, Any]) -> str:
    """The tables of a record, as `run.adapt` makes it, in plain text."""
    counts = entry["pairs"]
    parts = [
        f"{counts['train']} pairs to train on, {counts['validation']} to validate on, {counts['test']} to test on",
        _table(
            ["fact", "train", "validation", "test", "before, %", "after, %", "verdict"],
            [
                [
                    fact["name"],
                    str(fact["train"]),
                    str(fact["validation"]),
                    str(fact["test"]),
                    _percent(fact["before"]),
                    _percent(fact["after"]),
                    fact["verdict"],
                ]
                for fact in entry["facts"]
            ],
        ),
        _table(["pairs right both ways", "pairs", "before, %", "after, %", "won", "lost"], _totals(entry)),
        _table(["anchor", "strength", "right, %", "margin", "protected, %"], _curve(entry)),
        f"chosen: strength {entry['strength']:g}, anchor {entry['anchor']:g}, on {entry['chosen_on']}; "
        f"replayed: {entry['replay']}",
        *_which(entry),
        *_possible(entry),
    ]
    return "\n\n".join(parts)


def broken_lines(broken: Broken) -> str:
    """Which records were left out, or nothing."""
    if not broken.records:
        return ""
    named = [f"left out: {record}" for record in broken.records[:NAMED]]
    more = len(broken.records) - len(named)
    if more > 0:
        named.append(f"and {more} more")
    total = f"{len(broken.records)} of {broken.read} rows cannot be used"
    return "\n".join([total, *named]) + "\n\n"


def gained_nothing(entry: dict[str, Any], keep: float) -> str:
    """Why there is no bundle, and what to do."""
    measured, kept = entry["held_out"], entry["protected"]
    if measured["before"] == 100:
        return (
            f"nothing was gained: the model is right on all {measured['pairs']} pairs to validate on already; "
            "no bundle was written"
        )
    learnt = max(entry["curve"], key=lambda point: point["right"])
    if learnt["right"] > measured["before"] and kept is not None:
        return (
            f"nothing was gained: {learnt['right']:.1f} % of the pairs would be right at strength "
            f"{learnt['strength']:g}, but the protected edits fall from {kept['reference']:.1f} % to "
            f"{learnt['protected']:.1f} %, more than --keep {keep:g} points; no bundle was written. "
            "Add pairs, or allow a larger --keep"
        )
    return (
        "nothing was gained: at no strength are more of the pairs right that were held out; no bundle was written. "
        "Add pairs of the facts that are few, or fine-tune (--way lora)"
    )


def _curve(entry: dict[str, Any]) -> list[list[str]]:
    """All strengths of all anchors; a star marks the chosen one."""
    return [
        [
            f"{point['anchor']:g}",
            f"{point['strength']:g}" + ("*" if _is_chosen(point, entry) else " "),
            _percent(point["right"]),
            "–" if point["margin"] is None else f"{point['margin']:+.4f}",
            _percent(point["protected"]),
        ]
        for point in entry["curve"]
    ]


def _possible(entry: dict[str, Any]) -> list[str]:
    """What would be learnt if more were given up, where that is much."""
    kept, most = entry["protected"], max(entry["curve"], key=lambda point: point["right"])
    chosen = next(point for point in entry["curve"] if _is_chosen(point, entry))
    if kept is None or most["right"] < chosen["right"] + MUCH:
        return []
    fall = kept["reference"] - most["protected"]
    return [f"more could be learnt: {most['right']:.1f} % with --keep {math.ceil(10 * fall) / 10:g}"]


def _which(entry: dict[str, Any]) -> list[str]:
    """Bundles of earlier versions, and those of LoRA, do not have it."""
    found = entry.get("which")
    if found is None:
        return []
    return [
        f"which of {found['facts']} facts it is, among those held out: right in {found['before']:.1f} % of "
        f"{found['pairs']} pairs before, {found['after']:.1f} % after"
    ]


def _is_chosen(point: dict[str, Any], entry: dict[str, Any]) -> bool:
    return (point["anchor"], point["strength"]) == (entry["anchor"], entry["strength"])


def _totals(entry: dict[str, Any]) -> list[list[str]]:
    rows = [_measured(entry["chosen_on"], entry["held_out"])]
    if entry["test"] is not None:
        rows.append(_measured("test", entry["test"]))
    if (kept := entry["protected"]) is not None:
        shares = [_percent(kept["before"]), _percent(kept["after"])]
        note = "" if kept["reference"] == kept["before"] else f", {kept['reference']:.1f} at first"
        rows.append([f"protected edits{note}", str(kept["pairs"]), *shares, "", ""])
    return rows


def _measured(name: str, measured: dict[str, Any]) -> list[str]:
    shares = [_percent(measured["before"]), _percent(measured["after"])]
    return [name, str(measured["pairs"]), *shares, str(measured["won"]), str(measured["lost"])]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Columns of equal width; the first one to the left, others to the right, a last one of words to the left."""
    cut = [[cell if len(cell) <= 60 else cell[:59] + "…" for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cut) for column in range(len(head))]
    words = {0, len(head) - 1} if head[-1] == "verdict" else {0}
    lines = [
        "  ".join(
            cell.ljust(width) if column in words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cut
    ]
    return "\n".join(lines)
