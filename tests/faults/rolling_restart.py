"""`make rolling-restart`: two servers behind HAProxy, restarted in turn under load. Is any request lost?

A request is lost if a client notices the restart: a broken connection, any status but 200, or an answer that
differs from the reference. The ways of stopping a server:

- `drain`: HAProxy sends it no more requests, then SIGTERM when it is idle (deploy/README.md);
- `unready`: SIGTERM with `--unready-seconds`: the server reports that it is not ready and continues to answer;
- `term`: SIGTERM alone, for comparison;
- `retry`: the same, and HAProxy retries unanswered requests.

The exit status is 1 if `drain` or `unready` lost a request, or if a server did not end with 0.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import machine
from tests.bench.paths import ROOT, server_binary
from tests.faults.clients import Clients, Tally
from tests.faults.grpc_clients import GrpcClients, available
from tests.faults.process import ClipInProcess, free_port
from tests.faults.proxy import Proxy
from tests.faults.questions import TEXTS, in_json, questions, reference

CLIENTS, GRPC_CLIENTS = 28, 4
RATE, GRPC_RATE = 130.0, 20.0
REQUESTS = 10_000
LEAST_RESTARTS = 6
PAUSE_SECONDS = 2.0
UNREADY_SECONDS = 3
MUST_LOSE_NOTHING = ("drain", "unready")
HEAD = (
    "| way | clients | requests | lost | what they saw | longest wait s | restarts | stop s | sent again |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def knows(setting: str) -> bool:
    """Whether the server has an option."""
    return (
        setting in subprocess.run([server_binary(), "serve", "--help"], capture_output=True, text=True).stdout
    )


def roll(way: str, requests: int, folder: Path) -> tuple[str, list[str]]:
    """Tests one way; returns its row and the violations."""
    arguments = ["--unready-seconds", UNREADY_SECONDS] if way == "unready" else []
    ports = {"a": free_port(), "b": free_port()}

    def start(name: str) -> ClipInProcess:
        return ClipInProcess(f"rolling-{name}", folder / name, *arguments, port=ports[name])

    servers, wrong, stops = {name: start(name) for name in ports}, [], []
    asked = questions()
    expected = reference(servers["a"].address, asked)
    texts = [in_json("text", "/v1/embeddings", {"input": text}) for text in TEXTS]
    by_text = dict(zip(TEXTS, reference(servers["a"].address, texts), strict=True))
    try:
        with Proxy(folder, ports, "conn-failure empty-response" if way == "retry" else None) as proxy:
            loads = [Clients(proxy.address, asked, expected, CLIENTS, RATE)]
            if available():
                loads.append(GrpcClients(proxy.address, by_text, GRPC_CLIENTS, GRPC_RATE))
            for load in loads:
                load.__enter__()
            try:
                while sum(len(load.tally.seen) for load in loads) < requests or len(stops) < LEAST_RESTARTS:
                    time.sleep(PAUSE_SECONDS)
                    name = "ab"[len(stops) % 2]
                    if way == "drain":
                        proxy.drain(name)
                    begun = time.monotonic()
                    status = servers[name].terminate()
                    stops.append(time.monotonic() - begun)
                    if status != 0:
                        wrong.append(f"{way}: server {name} ended with {status}:\n{servers[name].log_tail()}")
                    servers[name] = start(name)
                    if way == "drain":
                        proxy.ready(name)
                    proxy.wait_up(name)
            finally:
                for load in loads:
                    load.__exit__()
            sent_again = proxy.retried()
    finally:
        for server in servers.values():
            server.stop()
    seen = [one for load in loads for one in load.tally.seen]
    tally = Tally(seen)
    lost = [one for one in seen if one.what != "200"]
    # A wrong answer is never acceptable.
    if [one for one in lost if one.what == "wrong answer" or way in MUST_LOSE_NOTHING]:
        wrong += [f"{way}: {one.what}: {one.detail}" for one in lost[:10]]
    clients = f"{CLIENTS} REST" + (f", {GRPC_CLIENTS} gRPC" if available() else "")
    row = (
        f"| {way} | {clients} | {len(seen)} | {len(lost)} | {tally} | {tally.longest():.2f} | {len(stops)} | "
        f"{max(stops):.1f} | {sent_again} |"
    )
    return row, wrong


def main() -> int:
    """Returns 0 if no request was lost where none may be."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    ways = ("drain", "unready", "term", "retry")
    parser.add_argument("--ways", default=",".join(ways), help="ways to test, separated by commas")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help="minimum number of requests for each way"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "rolling-restart.md")
    options = parser.parse_args()
    lines, wrong = [machine.describe(), "", HEAD], []
    for way in options.ways.split(","):
        if way not in ways:
            parser.error(f"{way}: none of {', '.join(ways)}")
        if way == "unready" and not knows("--unready-seconds"):
            lines.append("| unready | this server has no such setting | | | | | | | |")
            continue
        with tempfile.TemporaryDirectory() as folder:
            row, found = roll(way, options.requests, Path(folder))
        print(row, flush=True)
        lines.append(row)
        wrong += found
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
