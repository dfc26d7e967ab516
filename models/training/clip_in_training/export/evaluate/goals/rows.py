"""The goals of the shipped model, as rows: value, interval, goal, and whether it is held."""

from collections.abc import Sequence
from dataclasses import dataclass

from clip_in_training.export.evaluate.drawn.interval import difference, wilson
from clip_in_training.export.evaluate.goals.measure import COMBINATIONS, Measured, Share, together


@dataclass(frozen=True)
class Goal:
    """A limit for one value, in percent or points."""

    limit: float
    at_least: bool = True

    def held(self, value: float) -> bool:
        """Whether the value reaches it; NaN does not."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    goal: str
    value: float | None = None
    """None: this command does not measure it."""
    interval: tuple[float, float] | None = None
    held: bool | None = None
    note: str = ""
    """Which one is the worst, or what measures it."""

    def cells(self) -> list[str]:
        """what, value, interval, goal, held."""
        value = "–" if self.value is None else f"{self.value:.1f}"
        interval = "–" if self.interval is None else "{:.1f} to {:.1f}".format(*self.interval)
        held = {None: "–", True: "yes", False: "**no**"}[self.held]
        return [self.what + (f" ({self.note})" if self.note else ""), value, interval, self.goal, held]


def _row(what: str, share: Share, goal: Goal, note: str = "") -> Row:
    return Row(what, str(goal), share.percent, wilson(*share.all), goal.held(share.percent), note)


def _worst(what: str, shares: dict[str, Share], goal: Goal) -> Row:
    name = min(shares, key=lambda name: shares[name].percent)
    return _row(what, shares[name], goal, name.replace("_", " "))


def _lost(what: str, measured: Measured, shares: Sequence[Share]) -> Row:
    """Points that the held-out ones are below the seen ones."""
    goal, share = Goal(4, at_least=False), together(shares)
    value = measured.seen.percent - share.percent
    held = goal.held(value) if measured.never_drawn else None
    note = "points" if measured.never_drawn else "points; it was trained on them"
    return Row(what, str(goal), value, difference(measured.seen.all, share.all), held, note)


def rows(measured: Measured) -> list[Row]:
    """What drawn scenes can answer."""
    groups = {name: together(list(wordings.values())) for name, wordings in measured.wordings.items()}
    every = Share()
    for seed in range(len(measured.both.count)):
        # Each group counts the same, however many wordings it has.
        parts = [(share.right[seed] / share.count[seed]) for share in groups.values()]
        count = measured.both.count[seed]
        every.add(round(count * sum(parts) / len(parts)), count)
    held_out = measured.held_out
    return [
        _row("pairs, text → image, mean of nine", together(list(measured.categories.values())), Goal(96)),
        _worst("pairs, text → image, worst category", measured.categories, Goal(90)),
        _row("pairs, both directions at once", measured.both, Goal(93)),
        _row("other wording, mean of the four below", every, Goal(92)),
        *[_row(f"… {name}", share, Goal(92)) for name, share in groups.items()],
        _lost("lost on held-out combinations", measured, [held_out[kind] for kind in COMBINATIONS]),
        _lost("lost on the held-out object", measured, [held_out["object"]]),
        _lost("lost on the held-out surface", measured, [held_out["surface"]]),
        _worst("worst of the worse pictures", measured.shifts, Goal(88)),
        _worst("x ↔ y of each attribute, own caption, worst", measured.swaps, Goal(93)),
        _row("defective or not: found", measured.found, Goal(97)),
        _row("defective or not: false alarms", measured.alarms, Goal(5, at_least=False)),
    ]


ELSEWHERE = (
    Row("stamps, 430 photographic cut-outs, R@1 both ways", "≥ 30 / ≥ 30; R@10 ≥ 60"),
    Row("textile, 50 examples a class", "≥ 75", note="`make textile`"),
    Row(
        "textile, 10 references, features, local / global AUROC",
        "≥ .98 / ≥ .93",
        note="`make textile-compare`",
    ),
    Row("solar cells, linear probe, ROC AUC", "≥ .91"),
    Row("images/s on one thread, int8; p50 of one request", "≥ 120; ≤ 20 ms", note="`make bench`"),
)
"""Goals that need pictures that do not come with this repository, or an idle machine."""
