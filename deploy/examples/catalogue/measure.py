"""Measures the recall of the databases' searches against an exhaustive search.

python measure.py --scenes scenes --vectors vectors.parquet \\
    --database postgres://… --database lance-folder

A query asks for one scene: by its caption, by another picture of the same objects (drawn again with other
positions and other light), or by both. R@10 is the share of queries whose scene is among the first ten.
"""

import argparse
import io
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from clip_in_training.scratch.scenes.drawing import draw
from clip_in_training.scratch.scenes.layout import Layout
from database import Database, connect
from service import Service, combined
from vectors import Vectors

DEPTH = 10
CANDIDATES = 100
"""Of a search by bits: so many are compared again by their 8-bit numbers."""
SIZE = 128
WAYS = ("text", "image", "both")


@dataclass(frozen=True)
class Queries:
    """Unit vectors [queries, embedding_dim] for each kind of query, and the ids of their scenes."""

    ids: list[str]
    vectors: dict[str, np.ndarray]


@dataclass(frozen=True)
class Measured:
    """Results of one kind of search. Percent, seconds, milliseconds."""

    name: str
    recall: dict[str, float]
    same: dict[str, float]
    """Share of the first ten results that the exhaustive search has among its first ten too."""
    load_seconds: float | None
    query_ms: float


def image_vectors(vectors: Vectors) -> tuple[list[str], np.ndarray]:
    """Ids and embeddings [images, embedding_dim] of a file's images."""
    table = pq.read_table(vectors.path, filters=[("kind", "=", "image")]).combine_chunks()
    embeddings = table["embedding"].combine_chunks().flatten().to_numpy()
    return table["id"].to_pylist(), embeddings.reshape(-1, vectors.width)


def draw_queries(scenes: Path, count: int, service: Service) -> Queries:
    """Queries for scenes at even distances in the catalogue, embedded by the running server."""
    columns = ["image", "caption", "attributes"]
    table = pa.concat_tables(
        pq.read_table(path, columns=columns) for path in sorted(scenes.glob("*.parquet"))
    )
    chosen = np.linspace(0, len(table) - 1, min(count, len(table))).astype(int)
    rows = [table.slice(int(row), 1).to_pylist()[0] for row in chosen]
    pictures = []
    for row, scene in zip(chosen, rows, strict=True):
        buffer = io.BytesIO()
        draw(json.loads(scene["attributes"]), Layout(10**9 + int(row)), SIZE).save(buffer, "PNG")
        pictures.append(buffer.getvalue())
    texts = service.texts([scene["caption"] for scene in rows])
    images = service.images(pictures)
    vectors = {"text": texts, "image": images, "both": combined(texts, images)}
    return Queries([scene["image"]["path"] for scene in rows], vectors)


def brute_force(vectors: Vectors, queries: Queries) -> tuple[Measured, dict[str, list[list[str]]]]:
    """The exhaustive search: compares each query with every image; returns the measures and the first ten
    results.
    """
    ids, embeddings = image_vectors(vectors)
    found, seconds = _search(ids, queries, lambda query: embeddings @ query)
    return _measured("brute force (numpy)", queries, found, found, None, seconds), found


def smaller_numbers(vectors: Vectors, queries: Queries, exact: dict) -> list[Measured]:
    """The exhaustive search through vectors in the formats `int8` and `ubinary`, in which the server gives them too."""
    ids, embeddings = image_vectors(vectors)
    eight_bits, bits = int8(embeddings), ubinary(embeddings)
    # int8 as float: NumPy has no fast product of integers.
    numbers = eight_bits.astype(np.float32)

    def by_int8(query: np.ndarray) -> np.ndarray:
        return numbers @ int8(query).astype(np.float32)

    def by_bits(query: np.ndarray) -> np.ndarray:
        return -np.bitwise_count(bits ^ ubinary(query)).sum(axis=1, dtype=np.int32).astype(np.float32)

    def by_bits_then_int8(query: np.ndarray) -> np.ndarray:
        nearest = np.argpartition(-by_bits(query), CANDIDATES)[:CANDIDATES]
        similarity = np.full(len(ids), -np.inf, np.float32)
        similarity[nearest] = numbers[nearest] @ int8(query).astype(np.float32)
        return similarity

    width = embeddings.shape[1]
    ways = {
        f"brute force, int8 ({width} bytes a vector, not {4 * width})": by_int8,
        f"brute force, ubinary ({width // 8} bytes)": by_bits,
        f"ubinary, the first {CANDIDATES} by int8 ({width // 8 + width} bytes)": by_bits_then_int8,
    }
    measured = []
    for name, way in ways.items():
        found, seconds = _search(ids, queries, way)
        measured.append(_measured(name, queries, found, exact, None, seconds))
    return measured


def int8(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors as the server writes them with `encoding_format` int8."""
    return np.rint(vectors * 127).astype(np.int8)


def ubinary(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors as the server writes them with `encoding_format` ubinary."""
    return np.packbits(vectors > 0, axis=-1)


def _search(ids: list[str], queries: Queries, similarity) -> tuple[dict, list[float]]:
    """The first ten results of each query by a similarity to every image, and the seconds of each query."""
    found, seconds = {}, []
    for way in WAYS:
        found[way] = []
        for query in queries.vectors[way]:
            started = time.perf_counter()
            similar = similarity(query)
            best = np.argpartition(-similar, DEPTH)[:DEPTH]
            best = best[np.argsort(-similar[best])]
            seconds.append(time.perf_counter() - started)
            found[way].append([ids[row] for row in best])
    return found, seconds


def through(database: Database, name: str, vectors: Vectors, queries: Queries, exact: dict) -> Measured:
    """Loads the database and runs every query."""
    started = time.perf_counter()
    database.load(vectors)
    load_seconds = time.perf_counter() - started
    found, seconds = {}, []
    for way in WAYS:
        found[way] = []
        for query in queries.vectors[way]:
            started = time.perf_counter()
            hits = database.search(query, DEPTH)
            seconds.append(time.perf_counter() - started)
            found[way].append([hit.id for hit in hits])
    return _measured(name, queries, found, exact, load_seconds, seconds)


def _measured(name, queries: Queries, found: dict, exact: dict, load_seconds, seconds) -> Measured:
    def percent(shares) -> float:
        return 100 * float(np.mean(list(shares)))

    recall = {
        way: percent(id in ten for id, ten in zip(queries.ids, found[way], strict=True)) for way in WAYS
    }
    same = {
        way: percent(
            len(set(ten) & set(right)) / DEPTH for ten, right in zip(found[way], exact[way], strict=True)
        )
        for way in WAYS
    }
    return Measured(name, recall, same, load_seconds, 1000 * float(np.median(seconds)))


def table(measured: list[Measured], images: int, queries: int) -> str:
    """The results in Markdown."""
    lines = [
        f"{images} images; {queries} queries of each kind",
        "",
        "| search | R@10 text | R@10 image | R@10 both | same ten | load and index | query p50 |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in measured:
        recall = " | ".join(f"{one.recall[way]:.1f} %" for way in WAYS)
        same = f"{np.mean(list(one.same.values())):.1f} %"
        load = "" if one.load_seconds is None else f"{one.load_seconds:.1f} s"
        lines.append(f"| {one.name} | {recall} | {same} | {load} | {one.query_ms:.2f} ms |")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=Path, required=True, help="folder that scenes.py wrote")
    parser.add_argument("--vectors", type=Path, required=True, help="the output of `clip-in embed`")
    parser.add_argument(
        "--database", action="append", required=True, help="as for catalogue.py; may be repeated"
    )
    parser.add_argument("--queries", type=int, default=500, help="queries of each kind (default: 500)")
    parser.add_argument("--service", default="http://127.0.0.1:8080", help="the clip-in server")
    options = parser.parse_args()
    vectors = Vectors(options.vectors)
    queries = draw_queries(options.scenes, options.queries, Service(options.service))
    first, exact = brute_force(vectors, queries)
    measured = [first, *smaller_numbers(vectors, queries, exact)]
    for address in options.database:
        database = connect(address)
        measured.append(through(database, type(database).__name__, vectors, queries, exact))
    print(table(measured, len(image_vectors(vectors)[0]), len(queries.ids)))


if __name__ == "__main__":
    main()
