"""A little of every kind of request, so that each metric has a value."""

import base64
import io
import itertools
import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from PIL import Image

from tests.python.conftest import ROOT

SAMPLES = [(ROOT / f"models/demo/samples/{i}.webp").read_bytes() for i in range(4)]
ANSWER_SECONDS = 60
NUMBER = itertools.count()


def new_image() -> bytes:
    """An image that no cache contains."""
    file = io.BytesIO()
    number = next(NUMBER)
    Image.new("RGB", (64, 48), (number % 256, number // 256 % 256, 99)).save(file, "PNG")
    return file.getvalue()


def send(url: str, body: bytes, content_type: str, method: str = "POST", **headers: str) -> int:
    """Sends a request and returns the answer's status."""
    headers = {"content-type": content_type, **{k.replace("_", "-"): v for k, v in headers.items()}}
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def send_json(url: str, body: object, method: str = "POST", **headers: str) -> int:
    return send(url, json.dumps(body).encode(), "application/json", method, **headers)


def put_labelset(server: str, name: str, sure: bool) -> None:
    """Puts a label set. With three identical labels, none can reach half."""
    labels = [{"label": f"bolt {i}", "texts": ["a red bolt"]} for i in range(3)]
    definition = {"labels": labels, "threshold": 0.2 if sure else 0.5}
    assert send_json(f"{server}/v1/labelsets/{name}", definition, "PUT") in (200, 201)


def classify(server: str, labelset: str, image: bytes = SAMPLES[0]) -> None:
    assert send(f"{server}/v1/classify?labelset={labelset}", image, "image/webp") == 200


def put_line(server: str, name: str) -> None:
    """Puts a line that is not calibrated: each part goes to review."""
    definition = {"references": [base64.b64encode(SAMPLES[0]).decode()]}
    assert send_json(f"{server}/v1/lines/{name}", definition, "PUT") in (200, 201)


def inspect(server: str, line: str) -> None:
    """Inspects a part; every other trigger is missing."""
    trigger = 2 * next(NUMBER)
    assert (
        send(f"{server}/v1/lines/{line}/inspections?trigger={trigger}&station=a", SAMPLES[0], "image/webp")
        == 200
    )


def everything(server: str) -> None:
    """One round: each route, both lanes, known and new texts and images, long texts, client errors."""
    new = f"a red bolt, number {next(NUMBER)}"
    for image in SAMPLES:
        assert send(f"{server}/v1/similarity?text=a+red+bolt&text=a+blue+mug", image, "image/webp") == 200
        classify(server, "sure", image)
        classify(server, "unsure", image)
    assert send(f"{server}/v1/embeddings", new_image(), "image/png") == 200
    texts = {"input": [new, "a red bolt", "word " * 300]}
    assert send_json(f"{server}/v1/embeddings", texts, x_clip_in_lane="bulk") == 200
    documents = {"query": new + "?", "documents": ["a red bolt", "a blue mug"]}
    assert send_json(f"{server}/v1/rerank", documents) == 200
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [new + "!"]}
    assert send_json(f"{server}/v2/models/clip-in-demo/infer", {"inputs": [text]}) == 200
    assert send_json(f"{server}/v1/embeddings", {"input": []}) == 400
    assert send(f"{server}/v1/similarity?text=a", b"no image", "image/webp") == 400


def overload(server: str, clients: int, enough: Event) -> dict[int, int]:
    """Many clients that send without pause until `enough` is set; returns the number of answers by status."""

    def client() -> list[int]:
        statuses = []
        while not enough.is_set():
            texts = {"input": [f"a red bolt, number {next(NUMBER)}" for _ in range(64)]}
            statuses.append(send_json(f"{server}/v1/embeddings", texts))
        return statuses

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(client) for _ in range(clients)]
        statuses = [status for one in running for status in one.result()]
    return {status: statuses.count(status) for status in set(statuses)}
