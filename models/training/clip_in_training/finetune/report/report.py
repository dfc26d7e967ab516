"""A run as one page: curves, recipe, data, what stage 1 kept, time. It loads nothing from anywhere."""

import html
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clip_in_training.common.run_folder import RECIPE
from clip_in_training.common.step_log import read_steps
from clip_in_training.common.whole_file import replace_text
from clip_in_training.finetune.recipe import TuningRecipe
from clip_in_training.finetune.report.curve import curve
from clip_in_training.finetune.stages.run import DISTILLED, FINETUNED, read_summary, run_recipe

TITLES = {
    "loss": "loss (weighted sum)",
    "clip_short": "L_short",
    "clip_long": "L_long",
    "hard_negative_short": "L_HN, short captions",
    "hard_negative_long": "L_HN, long captions",
    "within_pair_short": "within edits, short captions",
    "within_pair_long": "within edits, long captions",
    "difference": "difference of an edit's images and its prompt",
    "anchor": "anchor: 1 - cosine to the start",
    "logit_scale": "scale = exp(logit_scale)",
    "gradient_norm": "norm of the gradient, before it is cut",
    "learning_rate": "learning rate",
    "seconds": "seconds a step",
}
STYLE = """
:root { color-scheme: light dark; --ink: #1a1c20; --soft: #676c75; --line: #d9dce1; --page: #fff;
  --mark: #1f5fbf }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ec; --soft: #9aa1ac; --line: #363b44; --page: #15181d; --mark: #7fb0ff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1160px;
  margin: 2rem auto; padding: 0 1rem } h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
p, .note { color: var(--soft) } .curves { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)) }
svg { width: 100%; height: auto; font-size: 11px } svg text { fill: var(--soft) }
svg .title { fill: var(--ink); font-size: 12px; font-weight: 600 } svg .grid { stroke: var(--line) }
svg polyline { fill: none; stroke: var(--mark); stroke-width: 1.5 } svg circle { fill: var(--mark) }
svg .band { fill: var(--mark); opacity: .15 } table { border-collapse: collapse; margin: .8rem 0 }
.wide { overflow-x: auto } th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums } th { font-weight: 600 }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .8rem; font-size: 13px }
"""


MEASURED = {
    "pairs": "Validation: right pairs, %",
    "image_to_text": "Validation: image → text R@1, %",
    "text_to_image": "Validation: text → image R@1, %",
    "score": "Validation: score",
}


def write_report(run: Path) -> Path:
    """Writes `report.html` from what the run folder holds, and returns its path."""
    recipe = run_recipe(run)
    body = [f"<h1>{_text(recipe.name)}</h1><p>{_text(recipe.description)}</p>", _overview(recipe)]
    for stage, title in ((DISTILLED, "Stage 1: distillation"), (FINETUNED, "Stage 2: fine-tuning")):
        summary = read_summary(run, stage)
        if summary:
            body.append(_stage(title, recipe, stage, summary, read_steps(run / f"{stage}.jsonl")))
            body.append(_validation(read_steps(run / f"{stage}.validation.jsonl")))
    body.append(f"<h2>Recipe</h2><pre>{_text((run / RECIPE).read_text(encoding='utf-8'))}</pre>")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{_text(recipe.name)}</title><style>{STYLE}'
        f"</style></head><body>{''.join(body)}</body></html>\n"
    )
    path = run / "report.html"
    replace_text(path, page)
    return path


def _overview(recipe: TuningRecipe) -> str:
    backbone, stage = recipe.backbone, recipe.finetune
    weights = "its own" if ":" in backbone.name else backbone.pretrained or "random"
    losses = ", ".join(
        f"{name} × {weight:g}"
        for name, weight in vars(stage.losses).items()
        if isinstance(weight, float) and weight > 0
    )
    rows = [
        ("backbone", f"{backbone.name}, weights: {weights}"),
        ("text encoder", f"{backbone.positions} positions, {backbone.context_length} tokens"),
        ("stage 1", f"{recipe.distil.steps} steps of {recipe.distil.batch} captions"),
        ("stage 2", f"{stage.steps} steps of {stage.pairs} edits and {stage.singles} single images"),
        ("trains", stage.trains),
        ("losses", f"{losses}; hard negatives: {stage.losses.hard_negative}"),
        ("precision, seed", f"{recipe.precision}, {recipe.seed}"),
    ]
    return _table(["", ""], rows)


def _stage(
    title: str, recipe: TuningRecipe, stage: str, summary: dict[str, Any], entries: list[dict[str, float]]
) -> str:
    parts = [f"<h2>{title}</h2>"]
    if entries:
        steps = [entry["step"] for entry in entries]
        names = [name for name in TITLES if name in entries[-1]]
        drawn = (curve(TITLES[name], steps, [e.get(name, float("nan")) for e in entries]) for name in names)
        parts.append(f'<div class="curves">{"".join(drawn)}</div>')
    if "agreement" in summary:
        parts.append(_agreement(summary))
    parts.append("<h3>Time</h3>" + _table(["", ""], _time(recipe, stage, summary, entries)))
    parts.append(_data(summary["data"]))
    return "".join(parts)


def _validation(entries: list[dict[str, float]]) -> str:
    """Curves of what was measured, and which step was best."""
    if not entries:
        return ""
    steps = [entry["step"] for entry in entries]
    drawn = (
        curve(title, steps, [entry.get(name, float("nan")) for entry in entries])
        for name, title in MEASURED.items()
        if name in entries[-1]
    )
    best = max(entries, key=lambda entry: entry["score"])
    said = f"best after step {int(best['step']) + 1}: score {best['score']:.1f}"
    return f'<h3>Validation</h3><p>{said}</p><div class="curves">{"".join(drawn)}</div>'


def _agreement(summary: dict[str, Any]) -> str:
    before, after = summary["agreement"]["before"], summary["agreement"]["after"]
    rows = []
    for name in ["all", *after["by_length"]]:
        was, now = (side["all"] if name == "all" else side["by_length"][name] for side in (before, after))
        row = [name if name == "all" else f"{name} tokens", now["texts"]]
        rows.append(row + [f"{side[key]:.4f}" for key in ("mean", "worst") for side in (was, now)])
    heads = ["held-out captions", "texts", "mean before", "mean after", "worst before", "worst after"]
    parts = ["<h3>Agreement with the original text encoder (cosine)</h3>", _table(heads, rows)]
    longer = summary["longer_context"]
    if longer is None:
        parts.append("<p>No held-out caption was longer than the original encoder reads.</p>")
    else:
        parts.append(
            f"<h3>What longer contexts add</h3><p>{longer['captions']} captions of more than {longer['cut']} "
            "tokens and their images. Cosine between the student's vectors of the whole caption and of its "
            f"beginning: {longer['cosine_whole_to_cut']:.4f} on average.</p>"
        )
        recall = [(who, f"{100 * share:.1f} %") for who, share in longer["recall_at_1"].items()]
        parts.append(_table(["text encoder", "images that find their caption first (R@1)"], recall))
    return "".join(parts)


def _time(
    recipe: TuningRecipe, stage: str, summary: dict[str, Any], entries: list[dict[str, float]]
) -> list[tuple[str, str]]:
    clock = summary["clock"]
    rows = [
        (
            "wall, processor",
            f"{_duration(clock['wall'])}, {_duration(clock['cpu'])} of the first process's cores",
        ),
        ("processes, device", f"{summary['world']}, {summary['device']}"),
    ]
    if entries:
        seconds = statistics.median(entry["seconds"] for entry in entries)
        waited = statistics.median(entry["waited"] for entry in entries)
        if stage == DISTILLED:
            count, what = recipe.distil.batch, "captions"
        else:
            count, what = 2 * recipe.finetune.pairs + recipe.finetune.singles, "images"
        rows.append(("throughput", f"{count / seconds:.1f} {what} a second (median step: {seconds:.3f} s)"))
        rows.append(("waiting for data", f"{100 * waited / seconds:.1f} % of the median step"))
    if "parameters" in summary:
        counts = summary["parameters"]
        rows.append(("parameters", f"{counts['trained']:,} of {counts['all']:,} train"))
    return rows


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _data(data: dict[str, Any]) -> str:
    rows = []
    for source in data["sources"]:
        left_out = ", ".join(f"{name}: {count}" for name, count in source["left_out"].items()) or "none"
        notes = "; ".join(source["notes"]) or "none"
        print_of = source["fingerprint"][:12]
        rows.append(
            [
                source["kind"],
                source["path"],
                source["role"],
                source["total"],
                source["used"],
                left_out,
                notes,
                print_of,
            ]
        )
    heads = ["kind", "path", "role", "records", "used", "left out by filters", "notes", "fingerprint"]
    reading = data["reading"]
    reasons = ", ".join(f"{count} × {reason}" for reason, count in reading["reasons"].items()) or "none"
    return (
        f'<h3>Data</h3><div class="wide">{_table(heads, rows)}</div>'
        + _table(
            ["read since the last start", ""],
            [
                ("records", reading["read"]),
                ("broken, replaced by others", f"{reading['broken']} ({reasons})"),
                ("captions that filled the context", reading["truncated_captions"]),
            ],
        )
        + ("<p>broken.jsonl names them.</p>" if reading["broken"] else "")
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    head = f"<tr>{head}</tr>" if any(heads) else ""
    lines = ("".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows)
    return f"<table>{head}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _text(value: Any) -> str:
    return html.escape(f"{value:,}" if isinstance(value, int) else str(value))
