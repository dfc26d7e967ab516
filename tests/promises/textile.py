"""A line for a woven textile: real pictures of another kind than the drawn parts.

The pictures are those of tests/bench/textile.py, numbers 1 to 250 of each class. Each is a lot of its own.
"""

from io import BytesIO

from PIL import Image

from tests.bench.servers import Server
from tests.bench.textile import pictures
from tests.promises.line import Line, side_by_side
from tests.promises.pool import Scored

REFERENCES = 10
KINDS = {"nominal": "ok", "local": "local", "global": "global"}


def scored(server: Server, promise: dict, **more: object) -> list[Scored]:
    """The scores of all pictures that are not in the reference."""
    found = pictures()
    files = {kind: [_png(file) for file in found[name]] for name, kind in KINDS.items()}
    line = Line(server, "textile")
    line.put(files["ok"][:REFERENCES], promise, **more)
    files["ok"] = files["ok"][REFERENCES:]
    parts = []
    for kind, those in files.items():
        for number, answer in enumerate(side_by_side(line.inspect, those)):
            parts.append(Scored.of(kind, f"{kind} {number}", answer))
    return parts


def _png(file: bytes) -> bytes:
    with Image.open(BytesIO(file)) as image:
        out = BytesIO()
        image.convert("RGB").save(out, "PNG", compress_level=1)
    return out.getvalue()
