"""`make bench`: this server, the baselines and the machine's limit, on the same model and the same inputs.

Prints one Markdown table, then the targets and whether they are met. The exit status is 1 if one is not. Ratios are
medians of ratios within a round; the order of servers alternates from round to round. Run it on an idle machine.
"""

import argparse
import sys
import traceback
from pathlib import Path

from tests.bench import (
    machine,
    scenario_alone,
    scenario_before,
    scenario_compare,
    scenario_images,
    scenario_lanes,
    scenario_line,
    scenario_overload,
    scenario_own_cost,
    scenario_resize,
    scenario_texts,
)
from tests.bench.compare import Settings, say
from tests.bench.environments import ensure
from tests.bench.model_files import NoModel, reference_bundle
from tests.bench.paths import BENCH_PYTHON, INFINITY_PYTHON
from tests.bench.report import Report

SCENARIOS = {
    "images-hd": scenario_images.hd,
    "images-vga": scenario_images.vga,
    "images-hd-1": scenario_alone.hd,
    "images-vga-1": scenario_alone.vga,
    "images-bf16": scenario_images.bf16,
    "images-int8": scenario_images.int8,
    "texts-1": scenario_texts.one,
    "texts-16": scenario_texts.sixteen,
    "texts-cached": scenario_texts.cached,
    "own-cost": scenario_own_cost.run,
    "lanes": scenario_lanes.run,
    "compare": scenario_compare.run,
    "line": scenario_line.run,
    "overload": scenario_overload.reference,
    "overload-demo": scenario_overload.demo,
    "resize": scenario_resize.run,
    "before-image": scenario_before.image,
    "before-text": scenario_before.text,
    "before-texts": scenario_before.texts,
    "before-compare": scenario_before.comparison,
}
BASELINES = ("fastapi", "infinity", "limit")


def names(known: list[str]):
    """An argument type: known names, separated by commas."""

    def parse(text: str) -> list[str]:
        chosen = [name for name in text.split(",") if name]
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return chosen

    return parse


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", type=names(list(SCENARIOS)), default=list(SCENARIOS), metavar="NAME,…")
    parser.add_argument("--against", type=names(list(BASELINES)), default=list(BASELINES), metavar="NAME,…")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time per server and round")
    parser.add_argument("--clients", type=int, default=8, help="clients of a closed loop")
    parser.add_argument("--bundle", type=Path, help="model (default: random ViT-B/32, made on first use)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the result there")
    return parser.parse_args()


def main() -> int:
    """Runs the scenarios; returns 0 if every target is met."""
    options = arguments()
    ensure(BENCH_PYTHON)
    if "infinity" in options.against and any(name in options.only for name in ("images-hd", "images-vga")):
        ensure(INFINITY_PYTHON)
    try:
        bundle = (options.bundle or reference_bundle()).resolve()
    except NoModel as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    settings = Settings(bundle, options.rounds, options.seconds, options.clients, frozenset(options.against))
    report = Report()
    described = machine.describe()
    say(described)
    for name in options.only:
        say(f"\n{name}")
        try:
            SCENARIOS[name](settings, report)
        except Exception as error:
            traceback.print_exc()
            report.failed(name, f"{type(error).__name__}: {str(error).splitlines()[0]}")
    setup = (
        f"Model {bundle.name}; {options.rounds} rounds of {options.seconds:g} s, {options.clients} clients. "
        "Figures are medians over the rounds, ratios medians of ratios within a round."
    )
    text = report.markdown(f"{described}\n\n{setup}")
    say(f"\n{text}")
    if options.markdown:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(text)
    return 0 if report.all_met() else 1


if __name__ == "__main__":
    sys.exit(main())
