"""The catalogue in a folder: LanceDB, which needs no server."""

import os

# It warns about each new table.
os.environ.setdefault("LANCE_LOG", "error")

import lancedb
import numpy as np
import pyarrow as pa
from hit import Hit
from lancedb.index import BTree, HnswFlat
from vectors import Vectors

KINDS = ("image", "text")

# Number of candidates of a search: more of them improve the result and take longer.
EF_SEARCH = 100


class LanceDatabase:
    """One table per kind in a folder, which is created if it does not exist."""

    def __init__(self, folder: str):
        self._database = lancedb.connect(folder)
        self._tables = {}

    @property
    def model(self) -> str:
        """Name of the model that computed its embeddings."""
        return self._table("image").schema.metadata[b"clip_in_model"].decode()

    def load(self, vectors: Vectors) -> None:
        """Replaces the content by a file's rows, and indexes them by cosine."""
        schema = pa.schema(
            [
                ("id", pa.string()),
                ("text", pa.string()),
                ("embedding", pa.list_(pa.float32(), vectors.width)),
            ],
            metadata={"clip_in_model": vectors.model},
        )
        for kind in KINDS:
            # Readers see the old table until the new one is complete.
            table = self._database.create_table(
                kind, _rows(vectors, kind, schema), schema=schema, mode="overwrite"
            )
            if table.count_rows() == 0:
                continue
            # One graph: more partitions help from about a million rows on.
            table.create_index("embedding", config=HnswFlat(distance_type="cosine", num_partitions=1))
            table.create_index("id", config=BTree())
        self._tables.clear()

    def search(self, query: np.ndarray, count: int, kind: str = "image") -> list[Hit]:
        """The `count` items of a kind that are most similar to a unit vector, best first."""
        found = (
            self._table(kind)
            .search(query, vector_column_name="embedding")
            .distance_type("cosine")
            .ef(max(EF_SEARCH, count))
            .select(["id", "text", "_distance"])
            .limit(count)
            .to_list()
        )
        texts = self._captions([row["id"] for row in found]) if kind == "image" else {}
        return [Hit(row["id"], 1 - row["_distance"], row["text"] or texts.get(row["id"])) for row in found]

    def _captions(self, ids: list[str]) -> dict[str, str]:
        quoted = ", ".join("'" + id.replace("'", "''") + "'" for id in ids)
        rows = self._table("text").search().where(f"id IN ({quoted})").select(["id", "text"]).to_list()
        return {row["id"]: row["text"] for row in rows}

    def _table(self, kind: str):
        if kind not in self._tables:
            try:
                self._tables[kind] = self._database.open_table(kind)
            except ValueError as error:
                raise RuntimeError(f"this folder has no catalogue yet: load one first ({error})") from error
        return self._tables[kind]


def _rows(vectors: Vectors, kind: str, schema: pa.Schema):
    for batch in vectors.batches():
        wanted = batch.filter(pa.compute.equal(batch["kind"], kind))
        yield pa.RecordBatch.from_arrays(
            [wanted["id"], wanted["text"], wanted["embedding"].cast(schema.field("embedding").type)],
            schema=schema,
        )
