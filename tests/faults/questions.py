"""Requests with known answers: a healthy server answers first, and later answers are compared with these."""

import base64
import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.paths import DEMO_BUNDLE, ROOT

TOLERANCE = 1e-4
"""Tolerance of a cosine or of an embedding's value. Batching changes the last digits of fp32, another model
tenths.
"""

LOGITS = 100.0
"""The largest logit scale of any model."""

FIXTURES = ROOT / "tests" / "fixtures" / "images"
TEXTS = ("a red bolt", "a blue mug", "two yellow screws", "a plate with a scratch")
JSON = "application/json"


@dataclass(frozen=True)
class Question:
    """A POST."""

    kind: str
    path: str
    content_type: str
    body: bytes


def samples() -> list[bytes]:
    """The demo model's sample pictures."""
    return [file.read_bytes() for file in sorted((DEMO_BUNDLE / "samples").glob("*.webp"))]


def encoded(image: bytes) -> str:
    """Base64, as in JSON."""
    return base64.b64encode(image).decode()


def in_json(kind: str, path: str, content: object) -> Question:
    """A question as JSON."""
    return Question(kind, path, JSON, json.dumps(content).encode())


def form(image: bytes, texts: Sequence[str]) -> Question:
    """A similarity request as multipart/form-data."""
    mark = b"a-boundary-that-no-picture-has"
    parts = [
        b'content-disposition: form-data; name="image"; filename="x"\r\ncontent-type: image/webp\r\n\r\n'
        + image
    ]
    parts += [b'content-disposition: form-data; name="text"\r\n\r\n' + text.encode() for text in texts]
    body = b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + mark + b"--\r\n"
    return Question("form", "/v1/similarity", f"multipart/form-data; boundary={mark.decode()}", body)


def questions() -> list[Question]:
    """Texts and images in all request forms."""
    found = []
    for i, image in enumerate(samples()):
        text = TEXTS[i % len(TEXTS)]
        pair = [text, f"picture number {i}"]
        found += [
            Question("image", "/v1/embeddings", "image/webp", image),
            in_json("text", "/v1/embeddings", {"input": f"{text}, number {i}"}),
            in_json("similarity", "/v1/similarity", {"images": [encoded(image)], "texts": pair}),
            form(image, pair),
            in_json("classify", "/v1/classify", {"images": [encoded(image)], "labels": pair}),
            in_json("mixed", "/v1/embeddings", {"input": [text, {"image": encoded(image)}, f"item {i}"]}),
        ]
    return found


def numbers(path: str, body: bytes) -> list[float]:
    """The numbers of an answer, without values that may differ."""
    answer = json.loads(body)
    if path.startswith("/v1/embeddings"):
        return [number for item in answer["data"] for number in item["embedding"]]
    if path.startswith("/v1/similarity"):
        # The logits distinguish models with the same encoders. They are divided, because the tolerance is that of a
        # cosine.
        scaled = [number / LOGITS for row in answer["logits"] for number in row]
        return [number for row in answer["scores"] for number in row] + scaled
    results = [sorted(result["labels"], key=lambda label: label["index"]) for result in answer["results"]]
    return [label["similarity"] for result in results for label in result]


def same(found: Sequence[float], expected: Sequence[float]) -> bool:
    """Whether the values agree within the effects of fp32 and batching."""
    return len(found) == len(expected) and all(
        abs(a - b) <= TOLERANCE for a, b in zip(found, expected, strict=True)
    )


def ask(address: tuple[str, int], question: Question, seconds: float = 60) -> tuple[int, bytes]:
    """Status and body of a request on a new connection."""
    connection = http.client.HTTPConnection(*address, timeout=seconds)
    try:
        connection.request("POST", question.path, question.body, {"content-type": question.content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def reference(address: tuple[str, int], asked: Sequence[Question]) -> list[list[float]]:
    """The correct answers, from a healthy server."""
    found = []
    for question in asked:
        status, body = ask(address, question)
        if status != 200:
            raise SystemExit(f"a healthy server answers {status} to {question.kind}: {body[:300]!r}")
        found.append(numbers(question.path, body))
    return found
