"""`make abuse`: attacks by a single client on a release build with default settings and 2 GiB of memory.

Each attack gets its own server. During the attack a legitimate client asks for one image and one text, several
times a second. These must hold: the client's p99 is below two seconds, memory stays less than 1 GiB above the
start, and the server stays alive. Ten seconds after the attack the server must have released everything: no request
is running, memory is near the start, and 32 simultaneous requests are all answered. Otherwise the exit status is
1.
"""

import argparse
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.abuse import allowance, browsers, connections, images, json_bodies, label_sets, messages
from tests.abuse.attack import Attack, Target, run
from tests.abuse.bystander import Bystander, Seen
from tests.abuse.defender import Defender, given_back
from tests.bench import machine
from tests.bench.paths import ROOT
from tests.bench.servers import ServerError

ATTACKS: list[Attack] = [
    *images.ATTACKS,
    *messages.ATTACKS,
    *json_bodies.ATTACKS,
    *label_sets.ATTACKS,
    *connections.ATTACKS,
    *browsers.ATTACKS,
]
ALLOWED_MIB = 2048
MOST_P99 = 2.0
MOST_MORE_MIB = 1024.0
MOST_LOG_LINES = 200
STOP_SECONDS = 20.0
WARM_UP_SECONDS = 1.5
COLUMNS = (
    "",
    "sent",
    "seen by the attacker",
    "beside it: requests, p99 s",
    "peak above start MiB",
    "given back after s",
    "verdict",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def attacker(attack: Attack, address: tuple[str, int], seconds: float, pipe) -> None:
    """Runs the attack in its own process, with low priority, so that the server gets the processor first."""
    os.nice(10)
    work = attack.prepare()
    pipe.send("ready")
    pipe.recv()
    target = Target(address, time.monotonic() + seconds)
    pipe.send(run(work, attack, target))
    # The stop is tested with the connections open.
    pipe.recv()
    os._exit(0)


def judged(attack: Attack, server: Defender, seconds: float) -> tuple[list[str], list[str]]:
    """Runs an attack; returns the cells of its row, and the violations."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(
        target=attacker, args=(attack, server.address, seconds, theirs), daemon=True
    )
    process.start()
    theirs.close()
    ours.recv()
    with Bystander(server.address):
        time.sleep(WARM_UP_SECONDS)
    before, lines = server.rss_mib(), server.log_lines()
    server.forget_peak()
    with Bystander(server.address) as bystander:
        ours.send("go")
        found: Counter = ours.recv() if ours.poll(seconds + 15) else Counter({"the attacker hangs": 1})
    problems: list[str] = []
    if attack.row == "A17":
        status, taken = server.told_to_stop(STOP_SECONDS)
        if status != 0:
            problems.append(f"a stop: status {status} after {taken:.0f} s")
        after = f"stopped after {taken:.1f}"
        peak = before
    process.kill()
    process.join()
    if attack.row != "A17":
        free = given_back(server, before)
        problems += free.problems
        after = "no" if free.problems else f"{free.seconds:.1f}"
        peak = server.peak_rss_mib()
        if server.log_lines() - lines > MOST_LOG_LINES:
            problems.append(f"{server.log_lines() - lines} lines in the log")
    problems += beside(bystander.seen)
    if peak - before > MOST_MORE_MIB:
        problems.append(f"{peak - before:.0f} MiB above the start")
    if any("TAKEN" in one for one in found):
        problems.append("a foreign page was answered")
    p99 = bystander.seen.p99()
    cells = [
        "; ".join(f"{count} × {what}" for what, count in found.most_common(4)),
        f"{len(bystander.seen.seconds)}, {'not answered' if math.isinf(p99) else f'{p99:.2f}'}",
        f"{peak - before:.0f}",
        after,
    ]
    return cells, problems


def beside(seen: Seen) -> list[str]:
    """Violations that concern the legitimate client."""
    if seen.p99() <= MOST_P99:
        return []
    refused = ", ".join(f"{count} × {what}" for what, count in seen.refusals.items())
    return [f"beside it p99 {seen.p99():.1f} s" + (f" ({refused})" if refused else "")]


def one(attack: Attack, folder: Path, allowed: allowance.Allowance, seconds: float) -> tuple[str, bool]:
    """Returns a row, and whether everything holds."""
    with tempfile.TemporaryDirectory(dir=folder) as state:
        try:
            with Defender(Path(state), allowed, attack.arguments) as server:
                cells, problems = judged(attack, server, seconds)
                if problems and not server.alive():
                    print(server.log_tail(), file=sys.stderr)
        except ServerError as error:
            cells, problems = ["", "", "", ""], [str(error)]
    verdict = "**" + "; ".join(problems).replace("|", "/") + "**" if problems else "held"
    return (
        f"| {attack.row} | {attack.sent.replace('|', '/')} | {' | '.join(cells)} | {verdict} |",
        not problems,
    )


def that_starts(folder: Path) -> allowance.Allowance:
    """The strictest memory limit under which a server can start."""
    for way in allowance.ways(ALLOWED_MIB):
        try:
            with Defender(folder / "first", way):
                return way
        except ServerError as error:
            print(f"{way.way}: {error}", file=sys.stderr)
    raise SystemExit("the server's memory cannot be limited on this machine")


def main() -> int:
    """Returns 0 if everything holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", help="rows, such as A1,A2")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each attack")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "abuse.md")
    options = parser.parse_args()
    rows = {attack.row for attack in ATTACKS}
    wanted = set(options.only.split(",")) if options.only else rows
    if unknown := wanted - rows:
        parser.error(f"{', '.join(sorted(unknown))}: none of {', '.join(sorted(rows))}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        allowed = that_starts(Path(folder))
        lines = [f"{machine.describe()} Memory: {allowed.way}.", "", HEAD]
        print("\n".join(lines), flush=True)
        held = 0
        chosen = [attack for attack in ATTACKS if attack.row in wanted]
        for attack in sorted(chosen, key=lambda attack: int(attack.row[1:])):
            line, good = one(attack, Path(folder), allowed, options.seconds)
            held += good
            lines.append(line)
            print(line, flush=True)
            options.out.write_text("\n".join(lines) + "\n")
    print(f"{held} of {len(chosen)} held")
    return 0 if held == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
