"""The measurements as tables in Markdown."""

from collections.abc import Sequence

import numpy as np

from clip_in_training.export.evaluate.drawn.interval import percent
from clip_in_training.export.evaluate.drawn.measure import Measured
from clip_in_training.export.evaluate.drawn.pairs import Outcome
from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CATEGORIES, NONE

_PER_CENT = 100


def report(measured: Measured, missing: Sequence[str]) -> str:
    """All tables. `missing`: what captions state and no edit of the training changes (see `never_changed`)."""
    seeds = np.unique(measured.short.seeds)
    each = int((measured.short.categories == CATEGORIES[0]).sum())
    return "\n\n".join(
        [
            f"Measured on the exported fp32 graphs with edits of the test split that are drawn anew: seeds "
            f"{', '.join(map(str, seeds))}, {each} pairs a category in all. In percent, with 95 % intervals "
            "(Wilson); a tie is wrong. A guessing model has 25 in one direction and 17 in both.",
            _categories(measured.short, measured.long),
            _range(measured.short),
            "**What changes between the two sides.** “none ↔ x”: it is there or not; “x ↔ y”: one in the place of "
            "another. “Own caption”: an image prefers its own caption to the other side's (chance 50); a pair's two "
            "answers depend on each other, so those intervals are somewhat too narrow.",
            _changes(measured.short, measured.long),
            _missing(missing),
            f"**One image alone**, {measured.scenes} scenes: each possible value of an attribute in a short caption "
            "beside object and colour, and the caption with the highest cosine counts.",
            _absolute(measured),
            _alarms(measured),
            f"**Other words, worse pictures**, seed {seeds[0]}, mean of the nine categories, text → image:",
            _shifts(measured),
        ]
    )


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join([_row(head), "|---" * len(head) + "|", *(_row(row) for row in rows)])


def _share(right: np.ndarray, rows: np.ndarray) -> str:
    return percent(int(right[rows].sum()), int(rows.sum()))


def _mean(right: np.ndarray, outcome: Outcome) -> float:
    """Mean of MMVP's categories, in percent."""
    shares = [right[outcome.categories == name].mean() for name in CATEGORIES]
    return _PER_CENT * float(np.mean(shares))


def _mean_cell(right: np.ndarray, outcome: Outcome) -> str:
    counted = np.isin(outcome.categories, CATEGORIES)  # As many pairs of each: the mean is that of all pairs.
    return _share(right, counted)


def _categories(short: Outcome, long: Outcome) -> str:
    head = ["edits", "text → image", "image → text", "both", "both, long captions"]
    kinds = [
        (short.text_to_image, short),
        (short.image_to_text, short),
        (short.both, short),
        (long.both, long),
    ]
    rows = [
        [name, *(_share(right, outcome.categories == name) for right, outcome in kinds)]
        for name in CATEGORIES
    ]
    rows.append(["**mean of the nine**", *(_mean_cell(right, outcome) for right, outcome in kinds)])
    return table(head, rows)


def _range(short: Outcome) -> str:
    each = []
    for seed in np.unique(short.seeds):
        rows = short.seeds == seed
        part = Outcome(*(getattr(short, name)[rows] for name in vars(short)))
        each.append((_mean(part.text_to_image, part), _mean(part.both, part)))
    ways, both = zip(*each, strict=True)
    one_way, both_ways = (", ".join(f"{value:.1f}" for value in values) for values in (ways, both))
    return f"Means by seed: text → image {one_way}; both {both_ways}."


def _changes(short: Outcome, long: Outcome) -> str:
    order = {name: place for place, name in enumerate([*ATTRIBUTES, "code", "tag"])}
    names = sorted(np.unique(short.changed), key=lambda name: (order[name.split(",")[0]], name))
    rows = []
    for name in names:
        is_it = short.changed == name
        rows.append(
            [
                name.replace("<->", "↔"),
                str(int(is_it.sum())),
                _noticed(short, is_it),
                _noticed(long, is_it),
                _share(short.both, is_it),
                _share(long.both, is_it),
            ]
        )
    head = ["change", "pairs", "own caption, short", "own caption, long", "both, short", "both, long"]
    return table(head, rows)


def _noticed(outcome: Outcome, rows: np.ndarray) -> str:
    return percent(int(outcome.noticed[rows].sum()), 2 * int(rows.sum()))


def _missing(missing: Sequence[str]) -> str:
    if not missing:
        return "Everything that captions state changes in some edit of the training."
    listed = ", ".join(f"`{name}`" for name in missing).replace("<->", "↔")
    return (
        f"Stated by captions, and changed by **no edit of the training**: {listed}. Rely on these only where the "
        "table above is high."
    )


def _absolute(measured: Measured) -> str:
    rows = [
        [
            name.replace("_", " "),
            str(len(found.true)),
            percent(found.right, len(found.true)),
            f"{found.chance:.0f}",
        ]
        for name, found in measured.answers.items()
    ]
    return table(["attribute", "scenes", "right", "chance"], rows)


def _alarms(measured: Measured) -> str:
    titles = {"defect": "defective or not", "extra": "another object there or not"}
    rows, kinds = [], []
    for name, title in titles.items():
        answers = measured.answers[name]
        found, there, alarms, nothing = answers.alarms()
        rows.append([title, percent(found, there), percent(alarms, nothing)])
        pairs = [(c, t) for c, t in zip(answers.chosen, answers.true, strict=True) if t != NONE]
        kinds.append(f"{name} {percent(sum(c == t for c, t in pairs), len(pairs))}")
    alarms_table = table(["question", "found", "false alarms"], rows)
    return f"{alarms_table}\n\nRight kind, where there is one: {'; '.join(kinds)}."


def _shifts(measured: Measured) -> str:
    rows = [
        [
            name,
            _mean_cell(outcome.text_to_image, outcome),
            _share(outcome.text_to_image, outcome.categories == "count"),
            _share(outcome.text_to_image, outcome.categories == "text"),
        ]
        for name, outcome in measured.shifts.items()
    ]
    return table(["", "mean of the nine", "count", "text"], rows)
