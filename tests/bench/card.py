"""The server on a GPU: throughput, latency, agreement with the CPU, and behaviour when GPU memory is full.

    CLIP_IN_BINARY=… ORT_DYLIB_PATH=… python -m tests.bench.card --bundle runs/reference/vit-b-32

Closed loops of clients over HTTP, as in `make bench`. `--fill` allocates the GPU's memory while requests arrive
(with PyTorch, which must be installed), frees it again, and prints what the clients saw meanwhile.
"""

import argparse
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np

from tests.bench import images, load
from tests.bench.connection import Request
from tests.bench.contenders import ClipIn, Embeddings
from tests.bench.measurement import measure
from tests.bench.servers import Server
from tests.bench.texts import captions

TEXTS_A_REQUEST = 16
LEFT_FREE_MIB = 0
FILL = """
import sys, torch
left, step, held = int(sys.argv[1]) << 20, 64 << 20, []
while step >= 1 << 20:
    try:
        while torch.cuda.mem_get_info()[0] > left + step:
            held.append(torch.empty(step, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError:
        pass
    step //= 2
print("full", flush=True)
sys.stdin.read()
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, action="append", required=True)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--precisions", default="fp32,fp16")
    parser.add_argument("--clients", type=int, default=128, help="number of clients for images and for texts")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument(
        "--fill", action="store_true", help="fill the GPU's memory under load (needs PyTorch)"
    )
    return parser.parse_args()


def memory_mib() -> str:
    """Memory in use on the first GPU, from nvidia-smi."""
    query = ["nvidia-smi", "-i", "0", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "?"


def embed(server: Server, requests: list[Request]) -> np.ndarray:
    """The server's answers to the requests, one after another; one row per item."""
    rows = []
    for request in requests:
        head, _, body = request.bytes.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])
        answer = urllib.request.urlopen(
            urllib.request.Request(server.url + "/v1/embeddings", body, headers), timeout=60
        )
        rows += [item["embedding"] for item in json.load(answer)["data"]]
    return np.array(rows, np.float64)


def worst_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Largest 1 - cosine between corresponding rows."""
    return float(1 - (a * b).sum(1).min())


def loads() -> dict[str, list[Request]]:
    """Requests by their name in the table."""
    shape = Embeddings()
    texts = captions(4096)
    several = [texts[i : i + TEXTS_A_REQUEST] for i in range(0, len(texts), TEXTS_A_REQUEST)]
    return {
        "640x480": [shape.image(file) for file in images.jpegs(640, 480)],
        "1920x1080": [shape.image(file) for file in images.jpegs(1920, 1080)],
        "1 text": [shape.texts([text]) for text in texts],
        f"{TEXTS_A_REQUEST} texts": [shape.texts(some) for some in several],
    }


def fill(server: Server, requests: list[Request], before: np.ndarray, arguments: argparse.Namespace) -> None:
    """Fills the GPU's memory while images arrive, and frees it again."""
    filler = subprocess.Popen(
        [sys.executable, "-c", FILL, str(LEFT_FREE_MIB)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert filler.stdout.readline().strip() == "full"
    # An open loop, because errors are expected; the rate is high enough for batches.
    stream = load.Stream(requests, arguments.clients, rate=400)
    full = load.run(server.address, [stream], arguments.seconds, warm_up=0).outcomes[0]
    print(f"    card full ({memory_mib()} MiB in use): {summary(full)}; {counters(server)}", flush=True)
    filler.communicate()
    again = load.run(server.address, [stream], arguments.seconds, warm_up=1).outcomes[0]
    after = embed(server, requests)
    print(
        f"    memory free again: {summary(again)}; 1 - cos to before {worst_distance(before, after):.1e}; "
        f"{counters(server)}; ready: {json.loads(server.get('/readyz'))['status']}",
        flush=True,
    )


def summary(outcome: load.Outcome) -> str:
    statuses = Counter({status: len(times) for status, times in outcome.latencies.items()})
    longest = max((max(times) for times in outcome.latencies.values() if times), default=0)
    return f"{dict(statuses)} by status, {outcome.broken} broken, longest {longest * 1e3:.0f} ms"


def counters(server: Server) -> str:
    names = (
        "clip_in_out_of_memory_total",
        "clip_in_sessions_rebuilt_total",
        "clip_in_inference_failures_total",
    )
    lines = [line for line in server.get("/metrics").splitlines() if line.startswith(names)]
    return ", ".join(line.removeprefix("clip_in_") for line in lines)


def main() -> None:
    arguments = parse()
    requests = loads()
    few = {name: some[:8] for name, some in requests.items()}
    for bundle in arguments.bundle:
        with ClipIn(bundle, "--devices", "cpu", "--text-cache-mib", "0").start() as server:
            reference = {name: embed(server, some) for name, some in few.items()}
        for precision in arguments.precisions.split(","):
            print(f"## {bundle.name}, {precision} on {arguments.device}", flush=True)
            options = ["--devices", arguments.device, "--text-cache-mib", "0"]
            free = memory_mib()
            with ClipIn(bundle, *options, precision=precision).start() as server:
                print(f"  memory of the card: {free} MiB before, {memory_mib()} MiB when ready")
                print(
                    "  | load | requests/s | p50 ms | p99 ms | server CPU ms | 1 - cos to fp32 on the CPU |"
                )
                for name, some in requests.items():
                    alone = measure(server, few[name], 1, arguments.seconds / 2)
                    found = measure(server, some, arguments.clients, arguments.seconds)
                    distance = worst_distance(reference[name], embed(server, few[name]))
                    for clients, line in ((1, alone), (arguments.clients, found)):
                        print(
                            f"  | {name}, {clients} clients | {line.per_second:.1f} | {line.p50_ms:.2f} "
                            f"| {line.p99_ms:.2f} | {line.cpu_ms:.2f} | {distance:.1e} |",
                            flush=True,
                        )
            if arguments.fill:
                # Without buckets, no memory is reserved at the start: each batch allocates its own.
                with ClipIn(
                    bundle, *options, "--batch-buckets", "false", precision=precision
                ).start() as server:
                    fill(server, few["640x480"], embed(server, few["640x480"]), arguments)


if __name__ == "__main__":
    main()
