"""Ten photographs of scikit-image with ten plain statements each, of which two or three are true.

The pictures are read from the package. `may_be_shipped` says which are public domain or CC0; `samples` lists the
pictures that a page may show.
"""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "fixtures" / "photographs.json"


@dataclass(frozen=True)
class Photograph:
    """One photograph with its statements."""

    path: Path
    true: list[str]
    false: list[str]

    @property
    def statements(self) -> list[str]:
        """All ten, in alphabetical order, so that their order says nothing."""
        return sorted(self.true + self.false)

    def sensibly_ordered(self, scores: dict[str, float]) -> bool:
        """Whether the best statement is true, and every true one is among the best half."""
        order = sorted(scores, key=lambda text: -scores[text])
        return order[0] in self.true and all(order.index(text) < len(order) // 2 for text in self.true)


def folder() -> Path | None:
    """The folder of the pictures; None without scikit-image."""
    spec = importlib.util.find_spec("skimage")
    return Path(spec.submodule_search_locations[0]) / "data" if spec else None


def photographs() -> list[Photograph]:
    """The ten photographs. Raises ModuleNotFoundError without scikit-image."""
    where = folder()
    if where is None:
        raise ModuleNotFoundError("the photographs are in scikit-image: `make python` installs it")
    table = json.loads(FIXTURE.read_text(encoding="utf-8"))["photographs"]
    return [Photograph(where / entry["file"], entry["true"], entry["false"]) for entry in table]
