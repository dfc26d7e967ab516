"""The line of a drawn product: its scores, and a calibration by the server with a check on other parts."""

from collections.abc import Iterator

from tests.bench.servers import Server
from tests.promises.line import Line, side_by_side
from tests.promises.parts import CLEAR, FAINT, OK, Drawn
from tests.promises.pool import Scored

REFERENCES = 10
REFERENCE_LOT = 10_000
"""The first of the lots that the references come from: no other part does."""
LOTS = 80
OF_LOT = {OK: 10, CLEAR: 5, FAINT: 10}
CALIBRATED_LOTS, OF_CALIBRATED_LOT = 80, 6
"""Of the server's own calibration. It holds out a quarter of the lots."""
FIRST_CALIBRATED_LOT = 1000


def references(product: str) -> Iterator[bytes]:
    """Good parts, each of a lot of its own."""
    for lot in range(REFERENCES):
        yield Drawn(product, OK, REFERENCE_LOT + lot, 0).png()


def create(server: Server, product: str, promise: dict, **more: object) -> Line:
    """The line of a product."""
    line = Line(server, product)
    line.put(references(product), promise, **more)
    return line


def parts(product: str) -> list[Drawn]:
    """Parts of all kinds and lots, besides those of the references."""
    return [
        Drawn(product, what, lot, number)
        for what, count in OF_LOT.items()
        for lot in range(LOTS)
        for number in range(count)
    ]


def scored(line: Line) -> list[Scored]:
    """The scores that the line gives to parts of all kinds; it is not calibrated."""
    those = parts(line.name)
    answers = side_by_side(lambda part: line.inspect(part.png()), those)
    return [Scored.of(part.what, str(part.lot), answer) for part, answer in zip(those, answers, strict=True)]


def calibrated(line: Line, what: str) -> dict:
    """The report of the server's own calibration with parts of many lots."""

    def add(number: int) -> dict:
        # OK parts and NG parts of the same lots, as they would come.
        lot, kind = divmod(number, 2)
        what_kind = (OK, what)[kind]
        drawn = [
            Drawn(line.name, what_kind, FIRST_CALIBRATED_LOT + lot, part).png()
            for part in range(OF_CALIBRATED_LOT)
        ]
        line.add(f"lot {lot}", ("ok", "ng")[kind], drawn)
        return {}

    list(side_by_side(add, range(2 * CALIBRATED_LOTS)))
    return line.calibrate()
