"""Ten times more requests than the server can handle, in an open loop: they arrive whether or not others are
answered.
"""

import time
from statistics import quantiles

from tests.bench import load
from tests.bench.connection import Request
from tests.bench.contenders import Embeddings, post
from tests.faults.clients import Clients
from tests.faults.process import ClipInProcess
from tests.faults.questions import samples
from tests.faults.scenario import CLIENTS, Row, Setting, recovery, warmed

OVERLOAD = 10
DEADLINE_SECONDS = 2.0
CONNECTIONS = 2048
CAPACITY_SECONDS = 4
MOST_REFUSAL_SECONDS = 0.5
LEAST_GOODPUT = 0.5
MORE_MIB = 256.0
"""Two thousand connections and a queue of images: the allocator retains more memory after that."""


def run(setting: Setting) -> Row:
    """Refusals are quick and say when to retry; answers are correct; afterwards everything is as before."""
    seconds = max(20.0, setting.seconds)
    row = Row(f"{OVERLOAD} × overload for {seconds:.0f} s", "")
    any_status = frozenset({200, 429, 503, 504})
    hurried = Embeddings({"x-request-timeout": f"{DEADLINE_SECONDS}"})
    flood = [Request(hurried.image(image, "image/webp").bytes, any_status) for image in samples()]
    plain = [Request(post("/v1/embeddings", "image/webp", image)) for image in samples()]
    with ClipInProcess("fault-overload", setting.state("overload")) as server:
        calm = load.run(server.address, [load.Stream(plain, 32)], CAPACITY_SECONDS, warm_up=1)
        capacity = calm.outcomes[0].answered() / CAPACITY_SECONDS
        row.load = f"capacity {capacity:.0f}/s; {OVERLOAD * capacity:.0f}/s come, and {CLIENTS} known clients"
        with setting.clients(server, rate=setting.rate / 4) as clients:
            before = warmed(server)
            stream = load.Stream(flood, CONNECTIONS, rate=OVERLOAD * capacity)
            outcome = load.run(server.address, [stream], seconds, warm_up=2).outcomes[0]
            ended = time.monotonic()
            time.sleep(4)
        row.tally(clients.tally, r"429 overloaded$|504 deadline_exceeded$")
        refusals = outcome.latencies.get(429, [])
        p99 = quantiles(refusals, n=100)[-1] if len(refusals) > 1 else float("nan")
        in_time = sum(latency <= DEADLINE_SECONDS for latency in outcome.latencies.get(200, ()))
        goodput = in_time / outcome.seconds / capacity
        counts = ", ".join(f"{outcome.count(status)} × {status}" for status in sorted(outcome.latencies))
        row.saw.append(
            f"flood: {counts}, {outcome.broken} broken, {outcome.unsent} not sent; "
            f"goodput {goodput:.0%} of capacity; p99 of refusals {p99 * 1e3:.0f} ms"
        )
        row.check(not outcome.unexpected, f"unexpected: {dict(outcome.unexpected)}")
        row.check(outcome.broken == 0, f"{outcome.broken} connections broke")
        row.check(bool(refusals), "nothing was refused")
        row.check(not refusals or p99 < MOST_REFUSAL_SECONDS, f"refusals take {p99:.2f} s")
        row.check(goodput > LEAST_GOODPUT, f"goodput is {goodput:.0%} of capacity")
        row.recovery = recovery(clients.tally, ended)
        # The rest of the queue is finished by then.
        with Clients(server.address, setting.asked, setting.expected, CLIENTS, setting.rate) as clients:
            time.sleep(3)
        row.tally(clients.tally)
        row.alive(server)
        row.settled(server, before, MORE_MIB)
    return row
