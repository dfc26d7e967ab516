"""An invalid image in every batch: truncated, with huge dimensions, other bytes, empty, one pixel."""

import json
import time

from tests.faults.process import ClipInProcess
from tests.faults.questions import FIXTURES, ask, encoded, in_json, numbers, reference, same, samples
from tests.faults.scenario import Row, Setting, recovery, warmed

POISONS = {
    "truncated-half.jpg": ("400", "image_corrupt"),
    "truncated.png": ("400", "image_corrupt"),
    "huge-header.png": ("413", "image_too_large"),
    "text.png": ("400", "image_unknown_format"),
    "photo.avif": ("400", "image_unsupported_format"),
    "empty.png": ("400", "image_empty"),
}
PAUSE = 0.02


def run(setting: Setting) -> Row:
    """The error names the invalid item; other requests of the batch are correct; one pixel is a valid image."""
    row = Row("a poisoned image among sound ones, all the time", setting.load())
    sound = encoded(samples()[0])
    batches = []
    for name, expected in POISONS.items():
        poison = encoded((FIXTURES / name).read_bytes())
        items = [{"image": sound}, {"image": poison}, {"image": sound}]
        batches.append((in_json(name, "/v1/embeddings", {"input": items}), expected))
    pixel = encoded((FIXTURES / "one-pixel.png").read_bytes())
    tiny = in_json("one pixel", "/v1/embeddings", {"input": [{"image": sound}, {"image": pixel}]})
    with ClipInProcess("fault-poison", setting.state("poison")) as server:
        question = in_json("alone", "/v1/embeddings", {"input": {"image": sound}})
        (alone,) = reference(server.address, [question])
        with setting.clients(server) as clients:
            before = warmed(server)
            sent, until = 0, time.monotonic() + setting.seconds
            while time.monotonic() < until:
                question, (status, code) = batches[sent % len(batches)]
                found, body = ask(server.address, question)
                error = json.loads(body).get("error", {})
                seen = (str(found), error.get("code"), error.get("param"))
                row.check(seen == (status, code, "input[1]"), f"{question.kind} is answered with {seen}")
                found, body = ask(server.address, tiny)
                right = found == 200 and same(numbers(tiny.path, body)[: len(alone)], alone)
                row.check(right, f"the image beside one pixel: {found}")
                sent += 1
                if row.problems:
                    break
                time.sleep(PAUSE)
            ended = time.monotonic()
            time.sleep(1)
        row.tally(clients.tally)
        row.saw.append(
            f"{sent} poisoned requests: 400 or 413 with code and `input[1]`; {sent} with one pixel: 200"
        )
        row.recovery = recovery(clients.tally, ended)
        row.alive(server)
        row.settled(server, before)
    return row
