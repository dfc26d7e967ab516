"""grpcio with the service, its reflection and its health check."""

import base64
import json
import threading
import time
import urllib.request
import uuid

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.bench.grpc_messages import generated
from tests.python.conftest import ROOT, serving

SAMPLES = [(ROOT / f"models/demo/samples/{i}.webp").read_bytes() for i in range(3)]


@pytest.fixture(scope="module")
def proto():
    """Python code generated from the project's .proto, as by a user."""
    return generated()


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.removeprefix("http://")) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel, proto):
    return proto[1].ClipInStub(channel)


def rest(server: str, path: str, body: dict) -> dict:
    request = urllib.request.Request(
        f"{server}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


def code_of(error: grpc.RpcError) -> tuple:
    trailers = dict(error.trailing_metadata())
    return error.code(), trailers.get("x-clip-in-code"), trailers.get("x-clip-in-param")


def test_embeddings_equal_those_of_rest(server, stub, proto):
    pb = proto[0]
    items = [pb.Item(text="a red bolt"), pb.Item(image=SAMPLES[0]), pb.Item(text="a blue mug " * 60)]
    answer = stub.Embed(pb.EmbedRequest(items=items))
    body = {"input": [{"text": "a red bolt"}, {"image": encoded(SAMPLES[0])}, {"text": "a blue mug " * 60}]}
    same = rest(server, "/v1/embeddings", body)
    assert answer.model == same["model"]
    assert answer.usage.tokens == same["usage"]["prompt_tokens"]
    assert answer.usage.truncated_tokens == same["usage"]["truncated_tokens"] > 0
    for ours, theirs in zip(answer.embeddings, same["data"], strict=True):
        np.testing.assert_allclose(ours.values, theirs["embedding"], atol=1e-5)
    short = stub.Embed(pb.EmbedRequest(items=items[:1], dimensions=8))
    assert len(short.embeddings[0].values) == 8


def test_every_protocol_gives_the_same_numbers(server, stub, proto):
    """Embeddings and cosines over REST, gRPC, and the Open Inference Protocol over both."""
    pb = proto[0]
    texts = ["a red bolt", "zwei blaue Tassen", "a green cogwheel to the left of a long pencil on wood"]
    items = [{"image": encoded(image)} for image in SAMPLES] + [{"text": text} for text in texts]
    listed = rest(server, "/v1/embeddings", {"input": items})["data"]
    vectors = np.array([entry["embedding"] for entry in listed])
    body = {"images": list(map(encoded, SAMPLES)), "texts": texts}
    cosines = np.array(rest(server, "/v1/similarity", body)["scores"])

    messages = [pb.Item(image=image) for image in SAMPLES] + [pb.Item(text=text) for text in texts]
    embedded = stub.Embed(pb.EmbedRequest(items=messages)).embeddings
    np.testing.assert_allclose([e.values for e in embedded], vectors, rtol=0, atol=1e-6)
    found = stub.Similarity(pb.SimilarityRequest(images=SAMPLES, texts=texts)).scores
    np.testing.assert_allclose(np.array(found.values).reshape(3, 3), cosines, rtol=0, atol=1e-6)

    for module in (tritonclient.http, tritonclient.grpc):
        inputs = []
        for name, values in (("image", SAMPLES), ("text", [text.encode() for text in texts])):
            inputs.append(module.InferInput(name, [3], "BYTES"))
            inputs[-1].set_data_from_numpy(np.array(values, dtype=np.object_))
        answer = module.InferenceServerClient(server.removeprefix("http://")).infer("clip-in-demo", inputs)
        for output, expected in (
            ("image_embedding", vectors[:3]),
            ("text_embedding", vectors[3:]),
            ("similarity", cosines),
        ):
            np.testing.assert_allclose(answer.as_numpy(output), expected, rtol=0, atol=1e-6)


def test_similarity_classify_and_rerank_equal_those_of_rest(server, stub, proto):
    pb = proto[0]
    texts = ["a red bolt", "a green cogwheel"]
    found = stub.Similarity(pb.SimilarityRequest(images=SAMPLES[:2], texts=texts))
    same = rest(server, "/v1/similarity", {"images": list(map(encoded, SAMPLES[:2])), "texts": texts})
    for ours, theirs in (
        (found.scores, same["scores"]),
        (found.logits, same["logits"]),
        (found.probabilities, same["probabilities"]),
    ):
        assert (ours.rows, ours.columns) == (2, 2)
        np.testing.assert_allclose(np.array(ours.values).reshape(2, 2), theirs, atol=1e-3, rtol=1e-4)
    ranked = stub.Classify(pb.ClassifyRequest(images=SAMPLES[:1], labels=texts)).results[0]
    same = rest(server, "/v1/classify", {"images": [encoded(SAMPLES[0])], "labels": texts})["results"][0]
    assert [label.label for label in ranked.labels] == [label["label"] for label in same["labels"]]
    assert not ranked.HasField("decision")
    documents = [pb.Item(text="a blue mug"), pb.Item(image=SAMPLES[0])]
    request = pb.RerankRequest(query=pb.Item(text="a red bolt"), documents=documents, return_documents=True)
    ranked = stub.Rerank(request).results
    body = {"query": "a red bolt", "documents": ["a blue mug", {"image": encoded(SAMPLES[0])}]}
    same = rest(server, "/v1/rerank", body)["results"]
    assert [r.index for r in ranked] == [r["index"] for r in same]
    assert all(documents[r.index] == r.document for r in ranked)


def test_a_label_set_is_shared_with_rest(server, stub, proto):
    pb = proto[0]
    body = {"labels": ["a red bolt", "a green cogwheel"], "threshold": 0.2}
    request = urllib.request.Request(
        f"{server}/v1/labelsets/grpc",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
        method="PUT",
    )
    urllib.request.urlopen(request).close()
    result = stub.Classify(pb.ClassifyRequest(images=SAMPLES[:1], labelset="grpc")).results[0]
    assert result.decision.label == result.labels[0].label
    assert result.decision.score == result.labels[0].score


def test_a_stream_keeps_order_and_survives_a_bad_item(server, stub, proto):
    pb = proto[0]
    good = [pb.Item(text=f"{i} red bolts") if i % 3 else pb.Item(image=SAMPLES[i % 2]) for i in range(200)]
    items = [*good[:100], pb.Item(image=b"no image"), *good[100:]]
    answers = list(stub.EmbedStream(pb.EmbedStreamRequest(item=item) for item in items))
    assert [answer.index for answer in answers] == list(range(201))
    assert answers[100].error.code == "image_unknown_format"
    alone = stub.Embed(pb.EmbedRequest(items=good))
    vectors = [answer.embedding.values for i, answer in enumerate(answers) if i != 100]
    for ours, theirs in zip(vectors, alone.embeddings, strict=True):
        np.testing.assert_allclose(ours, theirs.values, atol=1e-5)


def test_a_long_stream_of_images_keeps_order(server, stub, proto):
    """`make stream` does this with 10,000 images, and checks memory and speed."""
    pb = proto[0]
    alone = [
        e.values for e in stub.Embed(pb.EmbedRequest(items=[pb.Item(image=s) for s in SAMPLES])).embeddings
    ]
    items = [pb.Item(image=SAMPLES[i % 3]) for i in range(1000)]
    items[617] = pb.Item(image=SAMPLES[0][:200])
    stream = stub.EmbedStream(
        (pb.EmbedStreamRequest(item=item) for item in items), metadata=[("x-clip-in-lane", "bulk")]
    )
    count = 0
    for i, answer in enumerate(stream):
        assert answer.index == i
        if i == 617:
            assert answer.error.code == "image_corrupt"
        else:
            np.testing.assert_allclose(answer.embedding.values, alone[i % 3], atol=1e-5)
        count += 1
    assert count == 1000


def test_the_server_stops_reading_from_a_client_that_does_not_read(stub, proto):
    """Back-pressure: the server takes far fewer items than the client would send."""
    pb = proto[0]
    sent = 0

    def items():
        nonlocal sent
        for _ in range(200_000):
            sent += 1
            yield pb.EmbedStreamRequest(item=pb.Item(text="a red bolt"))

    stream = stub.EmbedStream(items())
    next(stream)
    seen = -1
    for _ in range(100):
        if sent == seen:
            break
        seen = sent
        time.sleep(0.3)
    assert sent == seen < 100_000, "it is still sending"
    stream.cancel()


def test_an_idle_stream_ends(proto):
    """An idle stream releases its slot; one that waits for its answers or continues slowly does not end."""
    pb, pb_grpc = proto
    with (
        serving(ROOT / "models" / "demo", "--request-seconds", "2") as url,
        grpc.insecure_channel(url.removeprefix("http://")) as channel,
    ):
        embed = pb_grpc.ClipInStub(channel).EmbedStream
        item = pb.EmbedStreamRequest(item=pb.Item(text="a red bolt"))
        over = threading.Event()

        def slow():
            for _ in range(6):
                yield item
                time.sleep(1)

        def silent():
            yield item
            over.wait(30)

        assert [answer.index for answer in embed(slow())] == list(range(6))
        began = time.monotonic()
        stream = embed(silent())
        assert next(stream).embedding.values
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        over.set()
        assert 1.5 < time.monotonic() - began < 10
        assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert dict(ended.value.trailing_metadata())["x-clip-in-code"] == "request_timeout"


def test_errors_equal_those_of_rest(stub, proto):
    pb = proto[0]
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(pb.EmbedRequest(items=[pb.Item(text="a"), pb.Item(image=b"no image")]))
    assert code_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "image_unknown_format", "items[1]")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(pb.EmbedRequest(model="none", items=[pb.Item(text="a")]))
    assert code_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "model_not_found", "model")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(pb.EmbedRequest(items=[pb.Item()]))
    assert code_of(caught.value)[2] == "items[0]"
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(pb.EmbedRequest(items=[pb.Item(text="a")]), metadata=[("x-clip-in-lane", "fast")])
    assert code_of(caught.value)[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_lane")


def timing_of(metadata: dict) -> dict[str, float]:
    """Milliseconds by stage."""
    stages = (stage.split(";dur=") for stage in metadata["server-timing"].split(", "))
    return {name: float(time) for name, time in stages}


def test_every_answer_has_the_request_id_and_times(stub, proto):
    pb = proto[0]
    request = pb.EmbedRequest(items=[pb.Item(image=SAMPLES[0])])
    _, call = stub.Embed.with_call(request, metadata=[("x-request-id", "part-42")])
    metadata = dict(call.initial_metadata())
    assert metadata["x-request-id"] == "part-42"
    times = timing_of(metadata)
    assert list(times) == ["read", "prepare", "queue", "inference", "total"]
    assert sum(times.values()) - times["total"] <= times["total"] + 0.01
    ids = set()
    for given in ([], [("x-request-id", "two words")]):
        _, call = stub.Embed.with_call(request, metadata=given)
        ids.add(str(uuid.UUID(dict(call.initial_metadata())["x-request-id"])))
    assert len(ids) == 2
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(pb.EmbedRequest(model="none"), metadata=[("x-request-id", "wrong")])
    error = caught.value
    assert dict((*error.initial_metadata(), *error.trailing_metadata()))["x-request-id"] == "wrong"
    stream = stub.EmbedStream(
        iter([pb.EmbedStreamRequest(item=request.items[0])]), metadata=[("x-request-id", "many")]
    )
    metadata = dict(stream.initial_metadata())
    # A stream is answered before its times are known.
    assert metadata["x-request-id"] == "many" and "server-timing" not in metadata
    assert len(list(stream)) == 1


def test_deadlines_and_compression(stub, proto):
    pb = proto[0]
    # They fit into the queue. The server may learn of the deadline a moment after the client.
    items = [pb.Item(text=f"a red bolt and {i} other things") for i in range(900)]
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(pb.EmbedRequest(items=items), timeout=0.02)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    plain = stub.Embed(pb.EmbedRequest(items=items[:50]))
    packed = stub.Embed(pb.EmbedRequest(items=items[:50]), compression=grpc.Compression.Gzip)
    np.testing.assert_allclose(packed.embeddings[7].values, plain.embeddings[7].values, atol=1e-5)


def test_a_message_over_the_limit_is_refused(channel, proto):
    pb, pb_grpc = proto
    with pytest.raises(grpc.RpcError) as caught:
        pb_grpc.ClipInStub(channel).Embed(pb.EmbedRequest(items=[pb.Item(image=bytes(65 << 20))]))
    assert caught.value.code() in (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_reflection_lists_all_services(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "clip_in.v1.ClipIn" in database.get_services()
    assert database.FindFileContainingSymbol("clip_in.v1.EmbedRequest").name == "clip_in/v1/clip_in.proto"


def test_health(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "clip_in.v1.ClipIn"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="other"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watch = health.Watch(health_pb2.HealthCheckRequest(service=""))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
