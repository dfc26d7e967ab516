"""`clip-in embed` from a bucket into a bucket, in shards, with failures of the workers and of the store."""

import collections
import io
import random
import subprocess
import tarfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.python.clients.s3_server import Store, storing
from tests.python.conftest import ROOT, environment, server_binary

BUCKET = "scenes"
SAMPLES = [(ROOT / f"models/demo/samples/{i}.webp").read_bytes() for i in range(4)]
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def store():
    """A server with an empty bucket."""
    with storing(BUCKET) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_fails(store):
    """Removes the faults of the previous test."""
    yield
    store.failing.fault = lambda method, path: None


def noise(seed: int) -> bytes:
    """A picture of more than a megabyte."""
    pixels = np.random.default_rng(seed).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=0)
    return file.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory) -> Path:
    """Inputs of all kinds, also in the bucket below in/. Some files are larger than one block of a read."""
    made = tmp_path_factory.mktemp("inputs")
    for name in ("images/below", "parquet", "tars"):
        (made / name).mkdir(parents=True)
    for i, sample in enumerate(SAMPLES):
        (made / "images" / "below" / f"{i}.webp").write_bytes(sample)
    (made / "images" / "a broken one.jpg").write_bytes(b"no picture")
    (made / "images" / "größe 1+1 %.webp").write_bytes(SAMPLES[0])
    (made / "texts.txt").write_text("".join(f"a plate with {i} holes\n" for i in range(150)))
    for file in range(2):
        rows = {
            "id": [f"row-{file}-{row}" for row in range(12)],
            "image": [noise(20 * file + row) if row % 3 else None for row in range(12)],
            "caption": [f"cup {row} of {file}" for row in range(12)],
        }
        pq.write_table(pa.table(rows), made / "parquet" / f"{file}.parquet", row_group_size=4)
        members = {}
        for member in range(6):
            members[f"{file}-{member}.png"] = noise(100 + 20 * file + member)
            members[f"{file}-{member}.txt"] = f"bolt {member} of {file}".encode()
        write_tar(made / "tars" / f"{file}.tar", members)
    client = store.client()
    for path in made.rglob("*"):
        if path.is_file():
            client.put_object(Bucket=BUCKET, Key=f"in/{path.relative_to(made)}", Body=path.read_bytes())
    # Placeholder objects of tools that show buckets as folders.
    client.put_object(Bucket=BUCKET, Key="in/images/", Body=b"")
    return made


def inputs(root: str) -> list[str]:
    named = ["--images", f"{root}/images", "--texts", f"{root}/texts.txt"]
    return [*named, "--parquet", f"{root}/parquet", "--tars", f"{root}/tars"]


def command(*arguments: str) -> list:
    return [server_binary(), "embed", "--model", ROOT / "models/demo", "--precision", "fp32", *arguments]


def embed(store: Store, *arguments: str, **changed: str) -> subprocess.CompletedProcess:
    """Runs the command to its end with the store's settings."""
    settings = {**environment(), **store.environment(), **changed}
    return subprocess.run(
        command(*arguments), env=settings, capture_output=True, text=True, check=False, timeout=200
    )


def done(store: Store, *arguments: str) -> str:
    ended = embed(store, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def refused(store: Store, *arguments: str, **changed: str) -> str:
    ended = embed(store, *arguments, **changed)
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


def names(store: Store, prefix: str) -> list[str]:
    found = store.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [entry["Key"].removeprefix(prefix) for entry in found]


def read(store: Store, key: str) -> pa.Table:
    body = store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return pq.read_table(pa.BufferReader(body))


def part(index: int, of: int) -> str:
    return f"part-{index:05}-of-{of:05}.parquet"


def union(store: Store, prefix: str, of: int) -> dict[tuple, np.ndarray]:
    """Embeddings by kind and id; no item occurs twice."""
    rows = pa.concat_tables([read(store, prefix + part(index, of)) for index in range(of)])
    return by_id(rows)


def by_id(rows: pa.Table) -> dict[tuple, np.ndarray]:
    found = {}
    for row in rows.to_pylist():
        key = (row["kind"], row["id"])
        assert key not in found, key
        found[key] = np.array(row["embedding"])
    return found


def assert_same(found: dict, wanted: dict) -> None:
    """Another batch may add numbers in another order, which changes the last bits."""
    assert found.keys() == wanted.keys()
    assert max(np.abs(found[key] - wanted[key]).max() for key in wanted) < 1e-6


@pytest.fixture(scope="module")
def wanted(store, folder, tmp_path_factory) -> dict:
    """The result of one run on local files."""
    out = tmp_path_factory.mktemp("whole") / "whole.parquet"
    done(store, *inputs(str(folder)), "--out", str(out))
    rows = by_id(pq.read_table(out))
    # Images of the folder without the broken one, texts, rows with an image, rows, members.
    assert len(rows) == 5 + 150 + 16 + 24 + 24
    return rows


def test_shards_of_a_bucket_go_into_a_bucket(store, folder, wanted):
    bucket = f"s3://{BUCKET}"
    for index in range(3):
        said = done(store, *inputs(f"{bucket}/in"), "--out", f"{bucket}/three/out/", "--shard", f"{index}/3")
        assert f"{bucket}/three/out/{part(index, 3)}" in said
    assert_same(union(store, "three/out/", 3), wanted)
    lists = [name for name in names(store, "three/out/") if name.endswith(".errors.jsonl")]
    assert len(lists) == 1
    assert len(names(store, "three/out/")) == 4

    # The metadata of the Parquet file records its inputs.
    about = read(store, "three/out/" + part(1, 3)).schema.metadata
    assert about[b"clip_in_shard"] == b"1/3" and about[b"clip_in_model"] == b"clip-in-demo"
    jobs = {read(store, "three/out/" + part(i, 3)).schema.metadata[b"clip_in_job"] for i in range(3)}
    assert len(jobs) == 1

    key = "three/out/" + part(1, 3)
    before = store.client().head_object(Bucket=BUCKET, Key=key)["LastModified"]
    again = [*inputs(f"{bucket}/in"), "--out", f"{bucket}/three/out", "--shard", "1/3"]
    assert "already done" in done(store, *again)
    assert store.client().head_object(Bucket=BUCKET, Key=key)["LastModified"] == before
    whole = store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    store.client().put_object(Bucket=BUCKET, Key=key, Body=whole[: len(whole) // 2])
    assert "damaged" in done(store, *again)
    assert_same(union(store, "three/out/", 3), wanted)
    # The same number of bytes with other content: the entity tag detects it.
    changed = (folder / "texts.txt").read_bytes().replace(b"plate", b"cover")
    store.client().put_object(Bucket=BUCKET, Key="in/texts.txt", Body=changed)
    said = refused(store, *again)
    store.client().put_object(Bucket=BUCKET, Key="in/texts.txt", Body=(folder / "texts.txt").read_bytes())
    assert "another inputs" in said and "--overwrite" in said
    assert "2 shards" not in said
    assert "3 shards" in refused(store, *again[:-1], "0/2")


def test_one_object_a_source_and_files_of_this_machine_beside(store, folder, wanted):
    """Without --shard there is one part. Objects and local folders can be combined."""
    bucket = f"s3://{BUCKET}"
    arguments = ["--parquet", f"{bucket}/in/parquet/0.parquet", str(folder / "parquet" / "1.parquet")]
    done(store, *arguments, "--tars", f"file://{folder}/tars", "--out", f"{bucket}/one")
    found = union(store, "one/", 1)
    assert_same(
        found, {key: wanted[key] for key in wanted if "row-" in key[1] or key[1][0:2] in ("0-", "1-")}
    )


def test_temporary_faults_of_a_store_change_nothing(store, folder, wanted):
    """Every second request fails, but none more than three times: with 503, or in the middle of the answer."""
    failed = collections.Counter()
    chance = random.Random(1)

    def fault(method: str, path: str) -> str | None:
        if failed[method, path] == 3 or chance.random() < 0.5:
            return None
        failed[method, path] += 1
        return "cut" if method == "GET" and chance.random() < 0.5 else "unavailable"

    store.failing.fault = fault
    for index in range(2):
        done(
            store,
            *inputs(f"s3://{BUCKET}/in"),
            "--out",
            f"s3://{BUCKET}/stumbled",
            "--shard",
            f"{index}/2",
        )
    store.failing.fault = lambda method, path: None
    assert failed.total() > 20
    assert_same(union(store, "stumbled/", 2), wanted)


def test_an_object_that_cannot_be_read_ends_the_run(store, folder, wanted):
    """The object is not listed as broken, and nothing is written: the next run processes it."""
    out = ["--out", f"s3://{BUCKET}/refused"]
    for path in ("images/below/2.webp", "parquet/1.parquet", "tars/1.tar", "texts.txt"):
        # HEAD is answered, GET is not.
        store.failing.fault = lambda method, asked, path=path: (
            "refused" if method == "GET" and asked.endswith(f"in/{path}") else None
        )
        said = refused(store, *inputs(f"s3://{BUCKET}/in"), *out)
        assert f"s3://{BUCKET}/in/{path}" in said and "AccessDenied" in said, said
        assert "AKIA-IN-THE-ANSWER" not in said
        assert names(store, "refused/") == []
    store.failing.fault = lambda method, path: None
    done(store, *inputs(f"s3://{BUCKET}/in"), *out)
    assert_same(union(store, "refused/", 1), wanted)


def test_missing_inputs_are_named_in_the_error(store, folder, tmp_path):
    out = ["--out", str(tmp_path / "out.parquet")]
    for arguments, words in [
        (["--texts", f"s3://{BUCKET}/in/no.txt"], [f"s3://{BUCKET}/in/no.txt"]),
        (["--parquet", f"s3://{BUCKET}/in/no.parquet"], ["no .parquet object", "in/no.parquet"]),
        (["--images", f"s3://{BUCKET}/nothing"], [f"no object below s3://{BUCKET}/nothing"]),
        (["--tars", "s3://no-such-bucket/in"], ["no-such-bucket", "no such bucket"]),
        (["--images", "s3:///in"], ["names no bucket"]),
        (["--images", "https://example.com/in"], ["https:// is not supported"]),
    ]:
        said = refused(store, *arguments, *out)
        assert all(word in said for word in words), said
    texts = ["--texts", str(folder / "texts.txt")]
    assert "no-such-bucket" in refused(store, *texts, "--out", "s3://no-such-bucket/out")
    plain = refused(store, "--images", f"s3://{BUCKET}/in/images", *out, AWS_ALLOW_HTTP="false")
    assert "AWS_ALLOW_HTTP" in plain


def test_hidden_objects_are_counted_and_named(store, tmp_path):
    for name in ("a.webp", ".b.webp", ".cache/c.webp"):
        store.client().put_object(Bucket=BUCKET, Key=f"hidden/{name}", Body=SAMPLES[0])
    # The placeholder of a folder, which is no item.
    store.client().put_object(Bucket=BUCKET, Key="hidden/", Body=b"")
    out = tmp_path / "out.parquet"
    said = done(store, "--images", f"s3://{BUCKET}/hidden", "--out", str(out))
    assert "2 files or members that are hidden" in said and ".b.webp, .cache/c.webp" in said, said
    assert pq.read_table(out).num_rows == 1


def test_wrong_credentials_are_reported_but_not_shown(store, folder, tmp_path):
    def ask_for_keys(after: str) -> None:
        url, kind = f"{store.url}/moto-api/reset-auth", {"content-type": "text/plain"}
        request = urllib.request.Request(url, after.encode(), kind, method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    ask_for_keys("0")
    try:
        key = {"AWS_ACCESS_KEY_ID": "AKIAWRONGWRONGWRONG", "AWS_SECRET_ACCESS_KEY": "a-secret-of-mine"}
        for arguments in (
            ["--images", f"s3://{BUCKET}/in/images"],
            ["--texts", f"s3://{BUCKET}/in/texts.txt"],
        ):
            said = refused(store, *arguments, "--out", str(tmp_path / "out.parquet"), **key)
            assert f"s3://{BUCKET}/in" in said and "AWS_SECRET_ACCESS_KEY" in said, said
            assert "403" in said or "InvalidAccessKeyId" in said, said
            assert "AKIAWRONG" not in said and "a-secret-of-mine" not in said
    finally:
        ask_for_keys("inf")


def test_a_long_output_is_a_multipart_upload(store, tmp_path):
    """Output larger than one part of an upload: the list of failed items with very many lines."""
    lines = 140_000
    (tmp_path / "texts.txt").write_bytes(b"a red bolt\n" + b"\xff\n" * lines)
    done(store, "--texts", str(tmp_path / "texts.txt"), "--out", f"s3://{BUCKET}/long")
    key = f"long/{part(0, 1)}.errors.jsonl"
    found = store.client().get_object(Bucket=BUCKET, Key=key)
    # The marker that stores add to the tag of multipart uploads.
    assert found["ContentLength"] > 8 * MEBIBYTE and "-" in found["ETag"]
    assert found["Body"].read().count(b"UTF-8") == lines


@pytest.mark.parametrize("keeps_scratch", [True, False])
def test_workers_killed_at_any_time(store, folder, tmp_path, keeps_scratch):
    """With a scratch folder that survives the workers, and without one."""
    count = 3
    texts = "".join(f"a {i % 7} and a {i}\n" for i in range(3000))
    store.client().put_object(Bucket=BUCKET, Key="many/texts.txt", Body=texts.encode())
    arguments = ["--texts", f"s3://{BUCKET}/many/texts.txt", "--tars", f"s3://{BUCKET}/in/tars"]
    done(store, *arguments, "--out", str(tmp_path / "whole.parquet"))
    chance = random.Random(7)
    prefix = f"killed-{keeps_scratch}/"

    def start(index: int) -> subprocess.Popen:
        worker = command(*arguments, "--out", f"s3://{BUCKET}/{prefix}", f"--shard={index}/{count}")
        if keeps_scratch:
            worker += ["--scratch", tmp_path / "scratch"]
        settings = {**environment(), **store.environment(), "TMPDIR": str(tmp_path)}
        return subprocess.Popen(worker, env=settings, stderr=subprocess.PIPE)

    workers = {index: start(index) for index in range(count)}
    kills = 0
    while workers:
        time.sleep(chance.uniform(0.05, 1.0))
        index = chance.choice(sorted(workers))
        # In the end they are not killed: on a slow machine none would finish otherwise.
        if kills < 10:
            workers[index].kill()
            workers[index].wait()
            workers[index].stderr.close()
            workers[index] = start(index)
            kills += 1
        for index in [index for index, worker in workers.items() if worker.poll() is not None]:
            worker = workers.pop(index)
            assert worker.returncode == 0, worker.stderr.read()
            worker.stderr.close()
    assert_same(union(store, prefix, count), by_id(pq.read_table(tmp_path / "whole.parquet")))
    assert len(names(store, prefix)) == count
