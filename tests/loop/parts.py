"""Parts of the plant: mugs, which no shipped model was trained on, each packed with other things.

Number, filling, what is packed with the mug, its colour and its count vary among good parts, and look like a change
to a comparison, so that the line asks people about many parts at first. Each NG part has one of the defects of the
scenes, drawn anew.
"""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from clip_in_training.scratch.scenes.attributes import ATTRIBUTES, CODE_CHARACTERS, FAMILIES

from tests.promises.parts import CLEAR, OK, Drawn

PRODUCT = "mug"
GOOD_TEXT = "An undamaged white mug."
WORDS = {
    "scratch": "A scratched white mug.",
    "crack": "A cracked white mug.",
    "dent": "A dented white mug.",
    "stain": "A stained white mug.",
    "rust": "A rusty white mug.",
}
"""Kind of defect -> what is true of the part."""

PACKED = ("item", "item_color", "count", "extra")
"""What is packed with a mug."""

PARTS_OF_A_LOT = 5
DIMMED = 0.8
"""Factor of the lamp while it is weak."""


@dataclass(frozen=True)
class Part:
    """A part: of which series (parts of different series are different), its number, and whether it has a defect."""

    series: str
    number: int
    is_ng: bool
    lamp: float = 1.0
    again: int = 0
    """How often its photograph was used before, under other names."""

    @property
    def name(self) -> str:
        """What it is drawn by."""
        return f"{self.series}-{self.number:05}"

    @property
    def label(self) -> str:
        """Its name on the line."""
        return f"{self.name}-{self.again}" if self.again else self.name

    @property
    def lot(self) -> str:
        """Parts of a lot are lit and lie alike."""
        return f"{self.series}-{self.number // PARTS_OF_A_LOT}"

    @property
    def drawn(self) -> Drawn:
        """The drawing."""
        own = Random(f"{self.name}/{self.is_ng}")
        varies = {
            "code_0": own.choice(CODE_CHARACTERS),
            "code_1": own.choice(CODE_CHARACTERS),
            "state": own.choice(FAMILIES[PRODUCT].states),
            **{name: own.choice(ATTRIBUTES[name]) for name in PACKED},
        }
        lot = Random(self.lot).getrandbits(40)
        return Drawn(PRODUCT, CLEAR if self.is_ng else OK, lot, self.number, tuple(varies.items()))

    @property
    def kind(self) -> str | None:
        """The kind of its defect."""
        return self.drawn.defect if self.is_ng else None

    def file(self, folder: Path) -> Path:
        """Where its photograph is."""
        return folder / f"{self.name}-{'ng' if self.is_ng else 'ok'}-{self.lamp}.png"


def series(name: str, count: int, ng_share: float, first: int = 0) -> list[Part]:
    """Parts as they come; each is NG with this probability."""
    numbers = range(first, first + count)
    return [Part(name, number, Random(f"{name}/{number}").random() < ng_share) for number in numbers]


def photograph(parts: Iterable[Part], folder: Path) -> None:
    """Draws the photographs that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [part for part in parts if not part.file(folder).exists()]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_draw, missing, [folder] * len(missing), chunksize=8))


def _draw(part: Part, folder: Path) -> None:
    whole = part.file(folder)
    unfinished = whole.with_suffix(f".{part.number}.part")
    unfinished.write_bytes(part.drawn.png(part.lamp))
    unfinished.rename(whole)
