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
    """The module of a protocol and a client of it."""
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
    # A picture of the model's own size needs no resizing: its pixels are what the encoder sees.
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
        ("token_ids", np.full((1, 5), 10_000_000), "INT64", "none of the"),
        ("token_ids", np.full((1, 5), -1), "INT64", "token id"),
        ("other", np.zeros((1, 2), np.float32), "FP32", "no input"),
    ],
)
def test_what_cannot_be_run_says_why(triton, name, values, datatype, message):
    module, client = triton
    with pytest.raises(InferenceServerException, match=message):
        client.infer(MODEL, [tensor(module, name, values, datatype)])


def test_an_unknown_model_says_so(triton):
    module, client = triton
    with pytest.raises(InferenceServerException, match="none"):
        client.infer("none", [tensor(module, "text", strings(["a"]), "BYTES")])
