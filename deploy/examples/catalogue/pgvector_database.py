"""The catalogue in PostgreSQL: one table, and an HNSW index for each kind of item."""

import numpy as np
import psycopg
from hit import Hit
from pgvector.psycopg import register_vector
from psycopg.sql import SQL, Identifier, Literal
from vectors import Vectors

KINDS = ("image", "text")

# Number of candidates of a search: more of them improve the result and take longer. pgvector's own default is
# 40.
EF_SEARCH = 100


class PgVectorDatabase:
    """A database with the extension `vector` (pgvector 0.5 or later), or the right to create it.

    An HNSW index takes vectors of up to 2000 numbers.
    """

    def __init__(self, address: str):
        self._connection = psycopg.connect(address, autocommit=True)
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(self._connection)
        self._connection.execute(SQL("SET hnsw.ef_search = {}").format(EF_SEARCH))

    @property
    def model(self) -> str:
        """Name of the model that computed its embeddings."""
        row = self._connection.execute("SELECT obj_description(to_regclass('catalogue'))").fetchone()
        if row is None or row[0] is None:
            raise RuntimeError("this database has no catalogue yet: load one first")
        return row[0]

    def load(self, vectors: Vectors) -> None:
        """Replaces the content by a file's rows, and indexes them by cosine."""
        # One transaction: concurrent searches find the old catalogue, then the new one, never a part.
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS catalogue_new")
            cursor.execute(
                SQL(
                    "CREATE TABLE catalogue_new (kind text, id text, text text, embedding vector({}) NOT NULL, "
                    "PRIMARY KEY (kind, id))"
                ).format(Literal(vectors.width))
            )
            columns = "COPY catalogue_new (kind, id, text, embedding) FROM STDIN WITH (FORMAT BINARY)"
            with cursor.copy(columns) as copy:
                copy.set_types(["text", "text", "text", "vector"])
                for batch in vectors.batches():
                    embeddings = batch["embedding"].flatten().to_numpy().reshape(-1, vectors.width)
                    rows = zip(*(batch[name].to_pylist() for name in ("kind", "id", "text")), strict=True)
                    for row, embedding in zip(rows, embeddings, strict=True):
                        copy.write_row([*row, embedding])
            # After the rows, which is several times faster. One index per kind: with an index over both, a
            # search for images would have to skip texts.
            for kind in KINDS:
                cursor.execute(
                    SQL(
                        "CREATE INDEX ON catalogue_new USING hnsw (embedding vector_cosine_ops) WHERE kind = {}"
                    ).format(Literal(kind))
                )
            cursor.execute(SQL("COMMENT ON TABLE catalogue_new IS {}").format(Literal(vectors.model)))
            cursor.execute("DROP TABLE IF EXISTS catalogue")
            cursor.execute("ALTER TABLE catalogue_new RENAME TO catalogue")
        self._connection.execute(SQL("ANALYZE {}").format(Identifier("catalogue")))

    def search(self, query: np.ndarray, count: int, kind: str = "image") -> list[Hit]:
        """The `count` items of a kind that are most similar to a unit vector, best first."""
        rows = self._connection.execute(self.statement(kind), {"query": query, "count": count}).fetchall()
        return [Hit(*row) for row in rows]

    @staticmethod
    def statement(kind: str):
        """The search. The kind is a literal: an index `WHERE kind = …` is not used for a parameter."""
        return SQL(
            """
            SELECT hit.id, hit.similarity, caption.text
            FROM (
                SELECT id, 1 - (embedding <=> %(query)s) AS similarity
                FROM catalogue WHERE kind = {}
                ORDER BY embedding <=> %(query)s LIMIT %(count)s
            ) AS hit
            LEFT JOIN catalogue AS caption ON caption.kind = 'text' AND caption.id = hit.id
            ORDER BY hit.similarity DESC
            """
        ).format(Literal(kind))
