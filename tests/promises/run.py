"""`make promises`: what lines promise, shown by parts that a server scored.

Draws parts of a product and opens the pictures of a textile, has a server score each of them once through the
route of a line, and calibrates a thousand times with parts of these pools, by the server's own code. Then the server
itself calibrates, and a stream of parts goes on with a dimmed lamp. Prints Markdown; the exit status is 1 if a
promise is not kept or a goal is missed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench.contenders import ClipIn
from tests.bench.paths import DEMO_BUNDLE, ROOT
from tests.bench.servers import Server
from tests.promises import drift, pool, redraws, scenes, textile
from tests.promises.parts import CLEAR, FAINT, PRODUCTS
from tests.promises.pool import Scored
from tests.promises.redraws import PROMISE, SCENES_GOAL, TEXTILE_GOAL


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def pools(server: Server, folder: Path, reuse: bool) -> dict[str, list[Scored]]:
    """The scored parts of each line, also in files."""
    found = {}
    for name in (*PRODUCTS, "textile"):
        file = folder / f"{name}.csv"
        if reuse and file.exists():
            found[name] = pool.read(file)
            continue
        say(f"scoring {name}")
        if name == "textile":
            found[name] = textile.scored(server, PROMISE)
        else:
            found[name] = scenes.scored(scenes.create(server, name, PROMISE))
        pool.write(file, found[name])
    return found


def by_server(server: Server, product: str) -> tuple[scenes.Line, str]:
    """A line that the server calibrated itself, and what its report says."""
    line = scenes.create(server, product, PROMISE)
    report = scenes.calibrated(line, CLEAR)
    rates = (report["held_out"] or {}).get("rates") or {}
    shares = [f"{name} {redraws.percent(rate)}" for name, rate in rates.items()]
    parts = report["parts"]
    text = (
        f"- {report['escape']['text']}\n- {report['overkill']['text']}\n"
        f"- calibrated with {parts['calibrate']}, checked with {parts['held_out']}: {', '.join(shares)}"
    )
    return line, text


def main() -> int:
    """Prints the tables; returns 0 if all is as promised."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE, help="model (default: models/demo)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "promises", help="folder of scores and tables"
    )
    parser.add_argument("--reuse", action="store_true", help="take scores of an earlier run from the folder")
    options = parser.parse_args()
    missed: list[str] = []
    texts = []
    with tempfile.TemporaryDirectory() as state:
        contender = ClipIn(options.bundle.resolve(), "--state", state, "--request-seconds", "300")
        with contender.start() as server:
            scored = pools(server, options.out, options.reuse)
            say("calibrations by the server, and a dimmed lamp")
            line, report = by_server(server, next(iter(PRODUCTS)))
            lamps = drift.lamp(line)
    kinds = {
        f"{name}, {kind}": pool.of_kinds(scored[name], kind) for name in PRODUCTS for kind in (CLEAR, FAINT)
    }
    kinds["textile, local"] = pool.of_kinds(scored["textile"], "local")
    kinds["textile, local and global"] = pool.of_kinds(scored["textile"], "local", "global")
    for name, parts in kinds.items():
        area = pool.auroc(parts, {part.what for part in parts} - {"ok"})
        say(f"{name}: AUROC {area:.4f}")
    for name in list(kinds)[: 2 * len(PRODUCTS)]:
        say(f"calibrations of {name}")
        text, complaints = redraws.promises(kinds[name], redraws.HOLDS)
        texts.append(f"Promises, {name}\n\n{text}")
        missed += [f"{name}: {complaint}" for complaint in complaints]
    goals = dict.fromkeys([f"{name}, {CLEAR}" for name in PRODUCTS], SCENES_GOAL)
    goals["textile, local and global"] = TEXTILE_GOAL
    text, complaints = redraws.review(kinds, goals)
    texts.append(f"Review share\n\n{text}")
    missed += complaints
    texts.append(f"The server's own calibration\n\n{report}")
    rows = []
    for name in scored:
        found, complaints = drift.shifts(name, scored[name])
        rows += found
        missed += complaints
    texts += [f"Shifted scores\n\n{drift.shift_table(rows)}", f"Dimmed lamp\n\n{lamps}"]
    texts.append("\n".join(f"- missed: {complaint}" for complaint in missed) or "all as promised")
    text = "\n\n".join(texts) + "\n"
    print(f"\n{text}")
    (options.out / "promises.md").write_text(text)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
