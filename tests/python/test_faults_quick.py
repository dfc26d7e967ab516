"""Faults that take seconds, on a server under load. `make faults` has those that take minutes."""

import json
import shutil
import time

import pytest

from tests.faults.deaf_http2 import DeafClient, silent_stream, unread_stream
from tests.faults.fault_disk import call
from tests.faults.fault_model import flip, load, truncate
from tests.faults.fault_never_readers import never_reading, request
from tests.faults.fault_session import WORD, bundle
from tests.faults.process import ClipInProcess
from tests.faults.questions import ask, in_json, questions, reference, same
from tests.python.conftest import ROOT, environment, server_binary

DEMO = ROOT / "models" / "demo"
ASKED = questions()[:6]
LABELS = 400
READERS = 5
PLACES = 20


@pytest.fixture(scope="module", autouse=True)
def named_server():
    """Sets the variable with the server's path that the fault programs read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORT_DYLIB_PATH", environment()["ORT_DYLIB_PATH"])
        patch.setenv("CLIP_IN_BINARY", str(server_binary()))
        yield


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Correct answers from a healthy server."""
    with ClipInProcess("quick-reference", tmp_path_factory.mktemp("state")) as server:
        return reference(server.address, ASKED)


def is_right(server, expected) -> bool:
    found = reference(server.address, ASKED)
    return all(same(a, b) for a, b in zip(found, expected, strict=True))


def fails(server) -> tuple[int, str]:
    """Status and code of a request that ONNX Runtime cannot run, on a server with `fault_session`'s bundle."""
    status, body = ask(server.address, in_json("fault", "/v1/embeddings", {"input": f"a {WORD}"}))
    return status, json.loads(body)["error"]["code"]


def wait_for(done, what: str) -> None:
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.2)


def answered(server, path: str = "/v1/embeddings") -> float:
    """Requests so far."""
    lines = server.get("/metrics").splitlines()
    lines = [line for line in lines if line.startswith("clip_in_requests_total{") and path in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_an_unwritable_log_does_not_affect_answers(tmp_path, expected):
    wrapper = ("sh", "-c", 'exec "$0" "$@" 2>/dev/full')
    model, log = bundle(tmp_path / "faulty"), ("--log", "debug")
    with ClipInProcess("quick-log", tmp_path / "state", *log, bundle=model, wrapper=wrapper) as server:
        assert is_right(server, expected)
        # A worker logs an error about this request; if that killed the worker, the server would end.
        assert fails(server) == (500, "inference_failed")
        assert is_right(server, expected)
        assert server.terminate() == 0


def test_a_label_set_that_cannot_be_written_leaves_no_file(tmp_path, expected):
    # 32 KiB per file. Without the trap the signal would end the server; a full disk sends no signal.
    wrapper = ("sh", "-c", 'trap "" XFSZ; ulimit -f 64; exec "$0" "$@"')
    with ClipInProcess("quick-disk", tmp_path, wrapper=wrapper) as server:
        assert call(server, "PUT", "small", 3)[0] == "201"
        for name in ("large", "small"):
            assert call(server, "PUT", name, LABELS)[0] == "500 labelset_not_stored"
        assert call(server, "GET", "large")[0] == "404 labelset_not_found"
        assert len(call(server, "GET", "small")[1]["labels"]) == 3
        assert [file.name for file in (tmp_path / "labelsets").iterdir()] == ["small.json"]
        assert is_right(server, expected)


def test_a_model_continues_when_its_files_become_corrupt(tmp_path, expected):
    served = shutil.copytree(DEMO, tmp_path / "models" / "served")
    arguments = ("--admin", "--models-root", served.parent)
    with ClipInProcess("quick-model", tmp_path / "state", *arguments, bundle=served) as server:
        for damage, name in ((truncate, "image.onnx"), (flip, "text.onnx")):
            # In place: the file that the server has opened.
            damage(served / name)
            assert is_right(server, expected)
            assert load(server, "served") == "422 bundle_checksum_mismatch"
            shutil.copy(DEMO / name, served / name)
        assert load(server, "served") == "200"
        assert is_right(server, expected)


def test_connections_of_clients_that_never_read_are_closed(tmp_path, expected):
    with ClipInProcess("quick-readers", tmp_path, "--request-seconds", 5, cache=True) as server:
        before = server.held().descriptors
        stuck = [never_reading(server.address) for _ in range(READERS)]
        # One after another: together they would not fit into the queue, and a refusal is not a large answer.
        for number, client in enumerate(stuck, 1):
            client.sendall(request())
            wait_for(lambda number=number: answered(server) >= number, "the answer")
        # The clients cannot detect the close, because it comes after unread data. The server's descriptors show it.
        wait_for(lambda: server.held().descriptors <= before, "the end of the connections")
        assert is_right(server, expected)
        for client in stuck:
            client.close()


def test_a_failed_inference_affects_only_its_request(tmp_path, expected):
    with ClipInProcess("quick-session", tmp_path, bundle=bundle(tmp_path / "faulty")) as server:
        for _ in range(3):
            assert fails(server) == (500, "inference_failed")
            assert is_right(server, expected)


def test_unread_grpc_answers_hold_no_slots(tmp_path, expected):
    with ClipInProcess("quick-deaf", tmp_path, "--max-requests", PLACES) as server:
        with DeafClient(server.address, PLACES):
            wait_for(lambda: answered(server, '/clip_in.v1.ClipIn/Embed"') >= PLACES, "the answers")
            assert is_right(server, expected)
        assert is_right(server, expected)


def test_idle_streams_leave_half_of_the_slots(tmp_path, expected):
    with ClipInProcess("quick-silent", tmp_path, "--max-requests", PLACES) as server:
        with DeafClient(server.address, PLACES, silent_stream):
            wait_for(lambda: answered(server, "ClipIn/EmbedStream") >= PLACES, "the streams")
            assert is_right(server, expected)


def streams(server, status: int) -> float:
    """Number of streams that ended with a status, or that began if `status` is 0."""
    return answered(server, f'ClipIn/EmbedStream",status="grpc-{status}"')


@pytest.mark.parametrize("stream", [silent_stream, unread_stream])
def test_streams_release_their_slots(tmp_path, expected, stream):
    """Idle streams, and streams whose answers are not read, on a connection that continues to answer pings."""
    with ClipInProcess("quick-gone", tmp_path, "--max-requests", PLACES, "--request-seconds", 3) as server:
        with DeafClient(server.address, PLACES, stream):
            wait_for(lambda: streams(server, 0) == PLACES // 2 == streams(server, 8), "the streams")
            time.sleep(4)
            with DeafClient(server.address, PLACES // 2, stream):
                wait_for(lambda: streams(server, 0) == PLACES, "the places")
        assert streams(server, 8) == PLACES // 2
        assert is_right(server, expected)
