"""gRPC's part of a soak: `python -m tests.bench.soak_grpc HOST:PORT SECONDS CALLS_A_SECOND`.

Runs in the clients' environment.

It calls every unary method and a stream of images and texts in turn, on one channel, with a new channel every
hundred calls. The last line of its output is JSON: answers by call and status, and the longest call in seconds.
"""

import json
import random
import sys
import time
from collections import Counter

import grpc

from tests.bench.grpc_messages import messages
from tests.bench.paths import ROOT

PICTURES = sorted((ROOT / "models" / "demo" / "samples").glob("*.webp"))
SERVICE = "/clip_in.v1.ClipIn/"
CALLS_A_CHANNEL = 100


class Calls:
    """One call of each kind, on one channel."""

    def __init__(self, pb, channel, rng: random.Random):
        self.pb, self.rng = pb, rng

        def unary(name: str):
            request, response = getattr(pb, f"{name}Request"), getattr(pb, f"{name}Response")
            return channel.unary_unary(SERVICE + name, request.SerializeToString, response.FromString)

        self.unary = {name: unary(name) for name in ("Embed", "Similarity", "Rerank")}
        self.stream = channel.stream_stream(
            SERVICE + "EmbedStream",
            pb.EmbedStreamRequest.SerializeToString,
            pb.EmbedStreamResponse.FromString,
        )

    def item(self):
        if self.rng.random() < 0.5:
            return self.pb.Item(text=f"a red bolt number {self.rng.randint(0, 10**6)}")
        return self.pb.Item(image=self.rng.choice(PICTURES).read_bytes())

    def make(self, name: str) -> None:
        pb = self.pb
        texts = [f"a mug, {self.rng.randint(0, 10**6)}", "a bolt"]
        image = self.rng.choice(PICTURES).read_bytes()
        if name == "Embed":
            self.unary[name](pb.EmbedRequest(items=[self.item() for _ in range(3)]), timeout=30)
        elif name == "Similarity":
            self.unary[name](pb.SimilarityRequest(images=[image], texts=texts), timeout=30)
        elif name == "Rerank":
            query, documents = pb.Item(image=image), [pb.Item(text=text) for text in texts]
            self.unary[name](pb.RerankRequest(query=query, documents=documents), timeout=30)
        else:
            sent = (pb.EmbedStreamRequest(item=self.item()) for _ in range(10))
            if len(list(self.stream(sent, timeout=30))) != 10:
                raise ValueError("a stream of ten items has not ten answers")


def main() -> None:
    """Makes calls until the time is over."""
    address, seconds, rate = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    pb, rng, seen, longest = messages(), random.Random(1), Counter(), 0.0
    names = ["Embed", "Similarity", "Rerank", "EmbedStream"]
    start, turn = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        with grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)]) as channel:
            calls = Calls(pb, channel, rng)
            for _ in range(CALLS_A_CHANNEL):
                name, begun = names[turn % len(names)], time.monotonic()
                try:
                    calls.make(name)
                    status = "OK"
                except grpc.RpcError as error:
                    status = f"{error.code().name}: {error.details()}"
                except ValueError as error:
                    status = str(error)
                longest = max(longest, time.monotonic() - begun)
                seen[f"{name} {status}"] += 1
                turn += 1
                rest = start + turn / rate - time.monotonic()
                time.sleep(max(0.0, min(rest, start + seconds - time.monotonic())))
                if time.monotonic() >= start + seconds:
                    break
    print(json.dumps({"calls": dict(seen), "longest_seconds": longest}))


if __name__ == "__main__":
    main()
