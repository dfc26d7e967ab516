"""NVIDIA's tritonclient, unmodified, over HTTP and gRPC."""

import json
import urllib.request

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from PIL import Image
from tritonclient.utils import InferenceServerException

from tests.python.conftest import ROOT

MODEL = "clip-in-demo"
SAMPLES = [(ROOT / f"models/demo/samples/{i}.webp").read_bytes() for i in range(3)]
TEXTS = ["a red bolt", "zwei blaue Tassen – ☕", "a green cogwheel to the left of a long pencil on wood"]


@pytest.fixture(scope="module", params=["http", "grpc"])
def triton(request, server):
    """The client module of a protocol, and a client."""
    module = {"http": tritonclient.http, "grpc": tritonclient.grpc}[request.param]
    client = module.InferenceServerClient(server.removeprefix("http://"))
    yield module, client
    client.close()


def tensor(module, name: str, values: np.ndarray, datatype: str):
    made = module.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def strings(values: list) -> np.ndarray:
    return np.array([v.encode() if isinstance(v, str) else v for v in values], dtype=np.object_)


def embeddings(server: str, items: list) -> np.ndarray:
    import base64

    entries = [{"text": i} if isinstance(i, str) else {"image": base64.b64encode(i).decode()} for i in items]
    body = json.dumps({"input": entries}).encode()
    request = urllib.request.Request(f"{server}/v1/embeddings", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return np.array([entry["embedding"] for entry in json.load(answer)["data"]])


def test_parameters_say_how_images_are_read(triton, server):
    module, client = triton
    cases = ROOT / "tests/fixtures/cases"
    expected = embeddings(server, [(cases / "mono12-in-16.expected.png").read_bytes()])
    twelve_bits = (cases / "mono12-in-16.tif").read_bytes()
    image = tensor(module, "image", np.array([twelve_bits], dtype=np.object_), "BYTES")
    bright = client.infer(MODEL, [image], parameters={"value_bits": 12, "alpha": "drop"})
    np.testing.assert_allclose(bright.as_numpy("image_embedding"), expected, atol=1e-5)
    dark = client.infer(MODEL, [image])
    assert np.abs(dark.as_numpy("image_embedding") - expected).max() > 0.01
    with pytest.raises(InferenceServerException, match="value_bits"):
        client.infer(MODEL, [image], parameters={"value_bits": 99})


def test_the_server_and_its_models(triton):
    _, client = triton
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("none")


def test_metadata(server):
    http = tritonclient.http.InferenceServerClient(server.removeprefix("http://"))
    assert http.get_server_metadata()["name"] == "clip-in"
    metadata = http.get_model_metadata(MODEL)
    inputs = {entry["name"]: (entry["datatype"], entry["shape"]) for entry in metadata["inputs"]}
    assert inputs["image"] == ("BYTES", [-1]) and inputs["pixels"] == ("UINT8", [-1, 128, 128, 3])
    grpc = tritonclient.grpc.InferenceServerClient(server.removeprefix("http://"))
    same = grpc.get_model_metadata(MODEL, as_json=True)
    assert [entry["name"] for entry in same["outputs"]] == [entry["name"] for entry in metadata["outputs"]]


def test_gzip_both_ways(server):
    client = tritonclient.http.InferenceServerClient(server.removeprefix("http://"))
    texts = strings([f"text {n}" for n in range(150)])
    packed = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"}
    outputs = [tritonclient.http.InferRequestedOutput("text_embedding", binary_data=False)]
    answers = [
        client.infer(MODEL, [tensor(tritonclient.http, "text", texts, "BYTES")], outputs=outputs, **options)
        for options in (packed, {})
    ]
    one, other = (answer.as_numpy("text_embedding") for answer in answers)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_configuration(server):
    http = tritonclient.http.InferenceServerClient(server.removeprefix("http://"))
    config = http.get_model_config(MODEL)
    assert http.get_model_config(MODEL, "1") == config
    metadata = http.get_model_metadata(MODEL)
    assert [tensor["dims"] for tensor in config["input"]] == [
        tensor["shape"] for tensor in metadata["inputs"]
    ]
    types = {tensor["name"]: tensor["data_type"] for tensor in config["input"] + config["output"]}
    assert (types["image"], types["pixels"], types["similarity"]) == (
        "TYPE_STRING",
        "TYPE_UINT8",
        "TYPE_FP32",
    )
    grpc = tritonclient.grpc.InferenceServerClient(server.removeprefix("http://"))
    # The client parses it with Triton's own definition.
    same = grpc.get_model_config(MODEL, as_json=True)["config"]
    for key in ("name", "platform", "backend"):
        assert same[key] == config[key]
    for theirs, ours in zip(same["input"] + same["output"], config["input"] + config["output"], strict=True):
        dims = [int(side) for side in theirs["dims"]]
        assert (theirs["name"], theirs["data_type"], dims) == (ours["name"], ours["data_type"], ours["dims"])


def test_statistics_count_requests(triton):
    module, client = triton

    def read() -> dict:
        as_json = {"as_json": True} if module is tritonclient.grpc else {}
        (stats,) = client.get_inference_statistics(MODEL, **as_json)["model_stats"]
        (all_models,) = client.get_inference_statistics(**as_json)["model_stats"]
        assert stats["name"] == all_models["name"] == MODEL
        return stats

    def number(stats: dict, *path: str) -> int:
        for key in path:
            stats = stats.get(key, {})
        # The JSON of a gRPC message omits zeros.
        return int(stats or 0)

    before = read()
    texts = strings([f"{module.__name__} {n} bolts" for n in range(3)])
    for _ in range(2):
        client.infer(MODEL, [tensor(module, "text", texts, "BYTES")])
    with pytest.raises(InferenceServerException):
        client.infer(MODEL, [tensor(module, "image", strings([b"no image"]), "BYTES")])
    after = read()

    def more(*path: str) -> int:
        return number(after, *path) - number(before, *path)

    assert more("inference_count") == 3
    assert 1 <= more("execution_count") <= 3
    stats = "inference_stats"
    assert [more(stats, key, "count") for key in ("success", "fail", "cache_hit", "queue")] == [2, 1, 3, 3]
    assert more(stats, "compute_infer", "ns") > 0
    assert number(after, "last_inference") > 1.6e12


def test_the_index_of_models(server):
    address = server.removeprefix("http://")
    entry = {"name": MODEL, "version": "1", "state": "READY"}
    (http,) = tritonclient.http.InferenceServerClient(address).get_model_repository_index()
    (grpc,) = tritonclient.grpc.InferenceServerClient(address).get_model_repository_index(as_json=True)[
        "models"
    ]
    assert {**entry, "reason": ""} == http and entry == {key: grpc[key] for key in entry}


def test_unknown_models_have_no_configuration_and_no_statistics(triton):
    _, client = triton
    for ask in (client.get_model_config, client.get_inference_statistics):
        with pytest.raises(InferenceServerException, match="none"):
            ask("none")


def test_images_and_texts_as_bytes(triton, server):
    module, client = triton
    inputs = [
        tensor(module, "image", strings(SAMPLES), "BYTES"),
        tensor(module, "text", strings(TEXTS), "BYTES"),
    ]
    answer = client.infer(MODEL, inputs, request_id="seven")
    images, texts = answer.as_numpy("image_embedding"), answer.as_numpy("text_embedding")
    expected = embeddings(server, [*SAMPLES, *TEXTS])
    np.testing.assert_allclose(images, expected[:3], atol=1e-5)
    np.testing.assert_allclose(texts, expected[3:], atol=1e-5)
    np.testing.assert_allclose(answer.as_numpy("similarity"), expected[:3] @ expected[3:].T, atol=1e-5)


def test_pixels_and_token_ids(triton, server):
    module, client = triton
    # A picture of the model's input size is not resized: the encoder gets its pixels unchanged.
    picture = np.random.default_rng(1).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    png = []
    import io

    for pixels in picture:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        png.append(file.getvalue())
    manifest = json.loads((ROOT / "models/demo/bundle.json").read_text())["text"]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(ROOT / "models/demo/tokenizer.json"))
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in ("a red bolt", "two blue mugs")]
    rows = [[manifest["sot_id"], *row, manifest["eot_id"]] for row in ids]
    width = max(map(len, rows)) + 3
    padded = np.array([row + [manifest["pad_id"]] * (width - len(row)) for row in rows], dtype=np.int64)
    inputs = [tensor(module, "pixels", picture, "UINT8"), tensor(module, "token_ids", padded, "INT64")]
    outputs = [module.InferRequestedOutput(name) for name in ("text_embedding", "image_embedding")]
    answer = client.infer(MODEL, inputs, outputs=outputs)
    expected = embeddings(server, [*png, "a red bolt", "two blue mugs"])
    np.testing.assert_allclose(answer.as_numpy("image_embedding"), expected[:2], atol=1e-5)
    np.testing.assert_allclose(answer.as_numpy("text_embedding"), expected[2:], atol=1e-5)
    assert answer.as_numpy("similarity") is None


def test_json_without_the_binary_extension(server):
    client = tritonclient.http.InferenceServerClient(server.removeprefix("http://"))
    text = tritonclient.http.InferInput("text", [2], "BYTES")
    text.set_data_from_numpy(strings(TEXTS[:2]), binary_data=False)
    output = tritonclient.http.InferRequestedOutput("text_embedding", binary_data=False)
    answer = client.infer(MODEL, [text], outputs=[output])
    np.testing.assert_allclose(answer.as_numpy("text_embedding"), embeddings(server, TEXTS[:2]), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "values", "datatype", "message"),
    [
        ("image", strings([b"no image"]), "BYTES", "image"),
        ("pixels", np.zeros((1, 64, 64, 3), np.uint8), "UINT8", "49152"),
        ("pixels", np.zeros((1, 3, 128, 128), np.float32), "FP32", "UINT8"),
        ("token_ids", np.full((1, 5), 10_000_000), "INT64", "not below the"),
        ("token_ids", np.full((1, 5), -1), "INT64", "token id"),
        ("other", np.zeros((1, 2), np.float32), "FP32", "unknown input"),
    ],
)
def test_an_invalid_tensor_is_refused_with_the_reason(triton, name, values, datatype, message):
    module, client = triton
    with pytest.raises(InferenceServerException, match=message):
        client.infer(MODEL, [tensor(module, name, values, datatype)])


def test_an_unknown_model_is_named_in_the_error(triton):
    module, client = triton
    with pytest.raises(InferenceServerException, match="none"):
        client.infer("none", [tensor(module, "text", strings(["a"]), "BYTES")])
