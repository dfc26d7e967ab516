"""The interface of a vector database, and the selection of one by its address."""

from typing import Protocol

import numpy as np
from hit import Hit
from vectors import Vectors


class Database(Protocol):
    """A catalogue in a vector database."""

    model: str
    """Name of the model that computed its embeddings."""

    def load(self, vectors: Vectors) -> None:
        """Replaces the content by a file's rows, and indexes them by cosine."""

    def search(self, query: np.ndarray, count: int, kind: str = "image") -> list[Hit]:
        """The `count` items of a kind (image or text) that are most similar to a unit vector, best first."""


def connect(address: str) -> Database:
    """PostgreSQL for postgres://… or postgresql://…; any other address is a folder for LanceDB."""
    if address.startswith(("postgres://", "postgresql://")):
        from pgvector_database import PgVectorDatabase

        return PgVectorDatabase(address)
    from lance_database import LanceDatabase

    return LanceDatabase(address)
