"""The ablation's results as tables in Markdown: mean ± standard deviation over the seeds."""

import statistics
from collections.abc import Callable, Sequence

COLUMNS: dict[str, Callable[[dict], float]] = {
    "pairs, short captions": lambda r: r["pairs"]["mean"],
    "pairs, long captions": lambda r: r["pairs_long"]["mean"],
    "short R@1 image → text": lambda r: r["retrieval_short"]["image to text R@1"],
    "short R@1 text → image": lambda r: r["retrieval_short"]["text to image R@1"],
    "long R@1 image → text": lambda r: r["retrieval_long"]["image to text R@1"],
    "long R@1 text → image": lambda r: r["retrieval_long"]["text to image R@1"],
}


def tables(start: dict, results: dict[str, list[dict]], seeds: Sequence[int], steps: int) -> str:
    """Both tables and what they mean. `start` is the model that all runs begin with."""
    categories = list(start["pairs"])
    by_category = {name: (lambda r, name=name: r["pairs"][name]) for name in categories}
    pairs, scenes = start["counts"]["pairs"], start["counts"]["scenes"]
    minutes = sum(result["core_minutes"] for found in results.values() for result in found)
    return "\n\n".join(
        [
            f"Seeds {', '.join(map(str, seeds))}; {steps} steps each; mean ± standard deviation over seeds, in "
            f"percent. {pairs} held-out pairs by MMVP's rule (a blind model has 0, a guessing one 25), retrieval "
            f"among {scenes} held-out scenes; measured on the exported graphs. {minutes:.0f} core-minutes of "
            "stage 2 in all.",
            _table(start, results, COLUMNS),
            "Pairs with short captions, by kind of edit:",
            _table(start, results, by_category),
        ]
    )


def _table(start: dict, results: dict[str, list[dict]], columns: dict[str, Callable]) -> str:
    lines = ["| losses | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines.append("| (start) | " + " | ".join(f"{of(start):.1f}" for of in columns.values()) + " |")
    for name, found in results.items():
        cells = [_cell([of(result) for result in found]) for of in columns.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"
