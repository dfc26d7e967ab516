"""What a search in a vector database finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hit:
    """A search result. `text` is its caption, if the file had one with the same id."""

    id: str
    similarity: float
    text: str | None
