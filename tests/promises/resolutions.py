"""`make resolutions`: what fewer pixels cost a line: its review share at the same promise, by `resolution`.

The parts are those of `make promises`. Each is drawn once and sent to a line of each resolution. Prints Markdown; the
exit status is 1 if the goal about the review share of the drawn parts is missed at the least resolution.
"""

import argparse
import sys
import tempfile
from itertools import product as pairs_of
from pathlib import Path

from tests.bench.contenders import ClipIn
from tests.bench.paths import DEMO_BUNDLE, ROOT
from tests.bench.servers import Server
from tests.promises import pool, redraws, scenes, textile
from tests.promises.line import Line, side_by_side
from tests.promises.parts import CLEAR, FAINT, PRODUCTS
from tests.promises.pool import Scored
from tests.promises.redraws import PROMISE, SCENES_GOAL, TEXTILE_GOAL


def drawn(server: Server, product: str, resolutions: list[int]) -> dict[int, list[Scored]]:
    """The scored parts of a product at each resolution."""
    references = list(scenes.references(product))
    lines = {}
    for resolution in resolutions:
        lines[resolution] = Line(server, f"{product}-{resolution}")
        lines[resolution].put(references, PROMISE, resolution=resolution)
    parts = scenes.parts(product)

    def inspected(part: scenes.Drawn) -> dict:
        picture = part.png()
        return {resolution: line.inspect(picture) for resolution, line in lines.items()}

    found: dict[int, list[Scored]] = {resolution: [] for resolution in resolutions}
    for part, answers in zip(parts, side_by_side(inspected, parts), strict=True):
        for resolution, answer in answers.items():
            found[resolution].append(Scored.of(part.what, str(part.lot), answer))
    return found


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE, help="model (default: models/demo)")
    parser.add_argument("--resolutions", default="192,224,320", help="lines (default: %(default)s)")
    parser.add_argument("--precision", default="int8", help="of the encoders (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "resolutions", help="folder of the scores and the table"
    )
    options = parser.parse_args()
    resolutions = sorted(int(each) for each in options.resolutions.split(","))
    scored: dict[tuple[str, int], list[Scored]] = {}
    with tempfile.TemporaryDirectory() as state:
        more = ["--state", state, "--request-seconds", "300"]
        contender = ClipIn(options.bundle.resolve(), *more, precision=options.precision)
        with contender.start() as server:
            for product in PRODUCTS:
                print(f"scoring {product}", file=sys.stderr, flush=True)
                for resolution, parts in drawn(server, product, resolutions).items():
                    scored[product, resolution] = parts
            for resolution in resolutions:
                print(f"scoring textile at {resolution}", file=sys.stderr, flush=True)
                scored["textile", resolution] = textile.scored(server, PROMISE, resolution=resolution)
    for (name, resolution), parts in scored.items():
        pool.write(options.out / f"{name}-{resolution}.csv", parts)
    kinds, goals = {}, {}
    for product, resolution in pairs_of(PRODUCTS, resolutions):
        parts = scored[product, resolution]
        kinds[f"{product}, {CLEAR}, {resolution}"] = pool.of_kinds(parts, CLEAR)
        kinds[f"{product}, {FAINT}, {resolution}"] = pool.of_kinds(parts, FAINT)
        goals[f"{product}, {CLEAR}, {resolution}"] = SCENES_GOAL
    for resolution in resolutions:
        name = f"textile, local and global, {resolution}"
        kinds[name] = pool.of_kinds(scored["textile", resolution], "local", "global")
        goals[name] = TEXTILE_GOAL
    areas = {
        name: f"{pool.auroc(parts, {part.what for part in parts} - {'ok'}):.3f}"
        for name, parts in kinds.items()
    }
    text, missed = redraws.review(kinds, goals)
    text += "\nAUROC: " + "; ".join(f"{name} {area}" for name, area in areas.items()) + "\n"
    print(f"\n{text}")
    (options.out / "resolutions.md").write_text(text)
    least = tuple(f"{product}, {CLEAR}, {resolutions[0]}:" for product in PRODUCTS)
    return 1 if any(each.startswith(least) for each in missed) else 0


if __name__ == "__main__":
    sys.exit(main())
