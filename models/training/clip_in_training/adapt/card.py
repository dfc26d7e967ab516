"""The section of a model card about the adaptations of a bundle."""

from pathlib import Path
from typing import Any

from clip_in_training.export.card_section import put_section

BEGIN, END = "<!-- adaptation: written by code -->", "<!-- end of adaptation -->"
TITLE = "## Adapted"


def put_adaptation(folder: Path, adaptations: list[dict[str, Any]]) -> None:
    """Replaces the section in `model-card.md`, or appends it; a bundle without a card gets one of this section."""
    card = folder / "model-card.md"
    if not card.is_file():
        card.write_text("# Model card\n", encoding="utf-8")
    body = "\n\n".join(_one(each) for each in adaptations)
    note = "Tables outside this section were measured before."
    put_section(folder, BEGIN, END, TITLE, f"{BEGIN}\n{body}\n\n{note}\n{END}")


def _one(entry: dict[str, Any]) -> str:
    counts, measured = entry["pairs"], entry["held_out"]
    lines = [
        f"From `{entry['from']['name']}`, by {entry['way']} at strength {entry['strength']:g}: "
        f"{counts['train']} training, {counts['validation']} validation and {counts['test']} test pairs.",
        "",
        "| pairs that are right both ways, % | before | after |",
        "|---|---|---|",
        f"| {entry['chosen_on']} ({measured['pairs']}) | {measured['before']:.1f} | {measured['after']:.1f} |",
    ]
    if (test := entry["test"]) is not None:
        lines.append(f"| test ({test['pairs']}) | {test['before']:.1f} | {test['after']:.1f} |")
    if (kept := entry["protected"]) is not None:
        lines.append(f"| protected edits ({kept['pairs']}) | {kept['before']:.1f} | {kept['after']:.1f} |")
    return "\n".join(lines)
