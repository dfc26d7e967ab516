"""The page of the documentation: goals first, then what they are made of."""

from collections.abc import Sequence
from pathlib import Path

from clip_in_training.common.whole_file import replace_text
from clip_in_training.export.evaluate.drawn.interval import percent
from clip_in_training.export.evaluate.drawn.tables import table
from clip_in_training.export.evaluate.goals.measure import HELD_OUT, Measured, Share, measure, nothing_yet
from clip_in_training.export.evaluate.goals.rows import ELSEWHERE, Row, rows

TITLE = "# The shipped model and its goals"
METHOD = (
    "Edits of the test split, drawn anew, on the exported fp32 graphs. Seeds {seeds}; for each of them {pairs} edits "
    "of every category, attribute and held-out kind, and {scenes} single scenes. Intervals are Wilson's over all "
    "seeds; those of differences are Newcombe's. A tie is wrong. A guessing model has 25 in one direction, 17 in "
    "both, and 50 where an image chooses between two captions. “–”: not measured by this command, or no "
    "verdict, because the model was trained on it."
)
HELD_OUT_TEXT = (
    "`held_out.py` of the training module names it: one object, one surface, one colour and one defect of each "
    "object, synonyms, and one family of templates. A recipe with `data.held_out = true` never draws it. "
    "`models/demo` has seen the held-out scenes, and neither the held-out words nor the held-out templates."
)
BY_HAND = "<!-- written by hand from here on -->"
HEAD = ["what, in %", "value", "95 % interval", "goal", "held"]


def write_page(path: Path, text: str) -> None:
    """Writes the page. What stands behind `BY_HAND` in an earlier one stays."""
    kept = ""
    if path.is_file():
        _, found, by_hand = path.read_text(encoding="utf-8").partition(BY_HAND)
        kept = f"\n{found}{by_hand}" if found else ""
    replace_text(path, text + kept)


def goals_only() -> str:
    """The page with the goals and without values, for as long as nothing has been measured."""
    lines = [Row(row.what, row.goal).cells() for row in rows(nothing_yet())]
    lines += [row.cells() for row in ELSEWHERE]
    text = "`make evaluate-small` replaces this page by one with values. Nothing has been measured yet."
    return "\n\n".join([TITLE, text, table(HEAD, lines), "## What is held out", HELD_OUT_TEXT]) + "\n"


def page(bundles: Sequence[Path], seeds: Sequence[int], pairs: int, scenes: int) -> str:
    """Measures the first bundle, and the others beside it: Markdown. Raises ExportError as `measure` does."""
    measured = [measure(bundle, seeds, pairs, scenes) for bundle in bundles]
    first, names = measured[0], [f"`{bundle}`" for bundle in bundles]
    beside = names[1:]
    of_each = [rows(one) for one in measured]
    lines = [
        [*row.cells(), *[f"{other[index].value:.1f}" for other in of_each[1:]]]
        for index, row in enumerate(of_each[0])
    ]
    lines += [[*row.cells(), *["–" for _ in beside]] for row in ELSEWHERE]
    held = sum(row.held is True for row in of_each[0])
    judged = sum(row.held is not None for row in of_each[0])
    summary = f"{held} of the {judged} goals that it measures are held"
    seeds_of = ", ".join(map(str, seeds))
    parts = [
        TITLE,
        f"`make evaluate-small` printed this page for {names[0]}: {summary}. "
        "The next measurement replaces all of it but what is written by hand at its end.",
        table([*HEAD, *beside], lines),
        METHOD.format(seeds=seeds_of, pairs=pairs, scenes=scenes),
        "## By category, wording, picture and attribute",
        *_details(first),
        "## What is held out",
        HELD_OUT_TEXT,
    ]
    return "\n\n".join(parts) + "\n"


def _details(found: Measured) -> list[str]:
    everything = {"nothing": found.seen, **{HELD_OUT[kind]: share for kind, share in found.held_out.items()}}
    wordings = {name: share for group in found.wordings.values() for name, share in group.items()}
    swaps = {name.replace("_", " "): share for name, share in found.swaps.items()}
    return [
        _listed("edits, text → image", found.categories),
        _listed("wording", wordings),
        _listed("picture", found.shifts),
        _listed("held out", everything),
        _listed("x ↔ y, own caption", swaps),
    ]


def _listed(title: str, shares: dict[str, Share]) -> str:
    lines = [
        [name, percent(*share.all), ", ".join(f"{value:.0f}" for value in share.by_seed)]
        for name, share in shares.items()
    ]
    return table([title, "all seeds", "by seed"], lines)
