"""A thousand calibrations that are drawn again from a pool of scored parts, and the tables of what they did."""

from dataclasses import dataclass

from tests.bench.report import table
from tests.promises import numerics
from tests.promises.pool import Scored

DRAWS = 1000
SEED = 20
PROMISE = {"escape": 0.02, "overkill": 0.02, "delta": 0.05}
SCENES_GOAL, TEXTILE_GOAL = 0.10, 0.20
"""The largest shares of OK parts that may go to review."""


@dataclass(frozen=True)
class Row:
    """Calibrations of one kind, as crates/numerics/examples/redrawn_calibrations.rs reads them."""

    ok: int = 300
    ng: int = 300
    of_lot: int = 1
    lots_told: bool = True
    escape: float = 0.02
    overkill: float = 0.02
    delta: float = 0.05

    def calibrations(self) -> dict:
        """With the number of draws."""
        return {"draws": DRAWS, **vars(self)}


HOLDS = [
    Row(),
    Row(1000, 300),
    Row(1000, 1000),
    Row(of_lot=2),
    Row(of_lot=2, lots_told=False),
    Row(of_lot=5),
    Row(of_lot=5, lots_told=False),
    Row(of_lot=10),
    Row(of_lot=10, lots_told=False),
    Row(1000, 1000, of_lot=10),
    Row(1000, 1000, of_lot=10, lots_told=False),
    Row(300, 150),
    Row(escape=0.005, overkill=0.005),
]
"""Parts of lots of their own, lots that differ, and promises that cannot be given."""

GOAL = Row()
"""What the goals about the review share are about."""


def drawn(parts: list[Scored], rows: list[Row]) -> list[dict]:
    """What the calibrations of each row did with this pool."""
    pool = [part.labelled() for part in parts]
    task = {"seed": SEED, "pool": pool, "rows": [row.calibrations() for row in rows]}
    return numerics.run("redrawn_calibrations", task)


def percent(share: float) -> str:
    """A share as text."""
    return f"{100 * share:.1f} %" if share < 0.9995 else "100 %"


def promises(parts: list[Scored], rows: list[Row]) -> tuple[str, list[str]]:
    """The table of how often a promise was broken, and what a promise should keep and did not."""
    cells, complaints = [], []
    for row, found in zip(rows, drawn(parts, rows), strict=True):
        lots = "told" if row.lots_told else "not told"
        infeasible = [percent(found[f"{name}_infeasible"] / DRAWS) for name in ("escape", "overkill")]
        cells.append(
            [
                f"{row.ok} + {row.ng}",
                f"{100 * row.escape:g} %",
                str(row.of_lot),
                lots if row.of_lot > 1 else "",
                f"{found['ok_worth']:.0f} + {found['ng_worth']:.0f}",
                percent(found["broken"] / DRAWS),
                percent(found["threshold_broken"] / DRAWS),
                " / ".join(infeasible),
                str(found["thresholds_of_infeasible"]),
                percent(found["ok_to_review"]),
            ]
        )
        kept = found["threshold_broken"] <= row.delta * DRAWS
        if row.lots_told and not kept:
            complaints.append(f"{row}: {found['threshold_broken']} of {DRAWS} calibrations broken")
        if found["thresholds_of_infeasible"]:
            complaints.append(f"{row}: a threshold without a promise")
    head = ["OK + NG parts", "α", "of a lot", "lots", "worth", "broken", "a threshold alone broken"]
    head += ["escape / overkill infeasible", "thresholds without promise", "OK parts to review"]
    return table(head, cells), complaints


def review(pools: dict[str, list[Scored]], goals: dict[str, float]) -> tuple[str, list[str]]:
    """The table of the review share by pool, and the goals that are missed."""
    cells, missed = [], []
    for name, parts in pools.items():
        (found,) = drawn(parts, [GOAL])
        goal = goals.get(name)
        share = found["ok_to_review"]
        met = "" if goal is None else "met" if share <= goal else "**missed**"
        wanted = "" if goal is None else f"≤ {100 * goal:g} %"
        shares = [percent(found[key]) for key in ("ok_to_review", "ng_to_review", "escape", "overkill")]
        counts = [sum((part.what == "ok") is ok for part in parts) for ok in (True, False)]
        infeasible = max(found["escape_infeasible"], found["overkill_infeasible"])
        posed = sum(part.pose for part in parts if part.what == "ok") / counts[0]
        found_so = [percent(infeasible / DRAWS), percent(posed)]
        cells.append([name, f"{counts[0]} + {counts[1]}", *shares, *found_so, wanted, met])
        if goal is not None and share > goal:
            missed.append(f"{name}: {percent(share)} of the OK parts go to review, {percent(goal)} wanted")
    head = ["parts", "OK + NG in the pool", "OK to review", "NG to review", "escape", "overkill"]
    return table([*head, "infeasible", "OK with `pose`", "goal: OK to review", ""], cells), missed
