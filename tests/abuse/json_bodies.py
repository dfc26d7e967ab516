"""A6, A8, A11: JSON that takes more memory than its size, and large answers."""

from tests.abuse.attack import Attack, again, held, in_json
from tests.bench.contenders import post
from tests.faults.questions import JSON, encoded, samples

BLIND = b"\x07"
"""A character that takes six characters in an escaped message."""
FULL = 60_000_000


def empty_strings(path: str, before: str, size: int = FULL) -> bytes:
    """A list of `"",` in a field."""
    return post(path, JSON, (before + '"",' * (size // 3) + '""]}').encode())


def named(path: str, before: str, size: int = FULL, after: str = '"}') -> bytes:
    """A name of many invisible characters."""
    return post(path, JSON, (before + "\\u0007" * (size // 6) + after).encode())


def large_answer(images: int, labels: int, letters: int) -> bytes:
    """A request whose answer repeats each label for each image."""
    image = encoded(samples()[0])
    names = [f"{number} " + "x" * letters for number in range(labels)]
    return in_json("/v1/classify", {"images": [image] * images, "labels": names})


def numbers(size: int = FULL) -> bytes:
    """A tensor of zeros, as JSON."""
    tensor = '{"name": "texts", "shape": [1], "datatype": "FP32", "data": ['
    body = '{"inputs": [' + tensor + "0," * (size // 2) + "0]}]}"
    return post("/v2/models/clip-in-demo/infer", JSON, body.encode())


def depth(size: int) -> bytes:
    """Lists in lists."""
    return post("/v1/embeddings", JSON, b'{"input": ' + b"[" * size)


_PAIRS = {"images": [encoded(samples()[0])] * 400, "labels": [f"label {number}" for number in range(400)]}

ATTACKS = [
    Attack("A6", "classify, 400 × 400 labels of 10 KB", lambda: again(large_answer(400, 400, 10_000))),
    Attack("A6", "classify, 100 × 100 labels of 10 KB, unread", lambda: held(large_answer(100, 100, 10_000))),
    Attack("A6", "classify, 400 × 400 labels", lambda: again(in_json("/v1/classify", _PAIRS)), clients=2),
    Attack("A8", 'embeddings, 60 MB of "",', lambda: again(empty_strings("/v1/embeddings", '{"input": ['))),
    Attack(
        "A8",
        'similarity, 60 MB of "",',
        lambda: again(empty_strings("/v1/similarity", '{"images": ["a"], "texts": [')),
    ),
    Attack(
        "A8",
        'rerank, 60 MB of "",',
        lambda: again(empty_strings("/v1/rerank", '{"query": "a", "documents": [')),
    ),
    Attack(
        "A8",
        'classify, 60 MB of "",',
        lambda: again(empty_strings("/v1/classify", '{"images": ["a"], "labels": [')),
    ),
    Attack(
        "A8", 'embeddings, 1 MB of "",', lambda: again(empty_strings("/v1/embeddings", '{"input": [', 10**6))
    ),
    Attack("A8", "60 MB of [", lambda: again(depth(FULL))),
    Attack("A8", "OIP: 60 MB of 0,", lambda: again(numbers())),
    Attack(
        "A11", "a model name of 60 MB", lambda: again(named("/v1/embeddings", '{"input": "a", "model": "'))
    ),
    Attack(
        "A11",
        "an OIP datatype of 60 MB",
        lambda: again(
            named(
                "/v2/models/clip-in-demo/infer",
                '{"inputs": [{"name": "texts", "shape": [1], "data": ["a"], "datatype": "',
                after='"}]}',
            )
        ),
    ),
    Attack(
        "A11",
        "an unknown field of 60 MB",
        lambda: again(named("/v1/embeddings", '{"input": "a", "', after='": 1}')),
    ),
]
