"""A6, A7, A8: label sets that are large or many, or whose listing nobody reads."""

import itertools
import json

from tests.abuse.attack import Attack, Target, again, put
from tests.abuse.json_bodies import BLIND, FULL
from tests.bench.contenders import post
from tests.faults.questions import JSON, encoded, samples

NAMES = itertools.count()


def putting(body: bytes):
    """Work: puts sets under new names repeatedly."""

    def work(target: Target) -> str:
        return target.send(put(f"/v1/labelsets/set-{next(NAMES)}", body))

    return work


def with_large_images(size: int) -> bytes:
    """Two labels with one image each, followed by extra bytes."""
    image = encoded(samples()[0] + b"\0" * (size * 3 // 8))
    labels = [{"label": name, "images": [image]} for name in ("a", "b")]
    return json.dumps({"labels": labels}).encode()


def with_long_names(labels: int, letters: int) -> bytes:
    """A name each."""
    return json.dumps({"labels": [f"{number} " + "x" * letters for number in range(labels)]}).encode()


def with_long_labels(labels: int, letters: int) -> bytes:
    """A short text for each label, and a long name."""
    named = [{"label": f"{number} " + "x" * letters, "texts": ["a bolt"]} for number in range(labels)]
    return json.dumps({"labels": named}).encode()


def empty_strings() -> bytes:
    """Labels without a name."""
    return b'{"labels": [' + b'"",' * (FULL // 3) + b'""]}'


def listing(sets: int, body: bytes):
    """Work: puts sets once, then requests listings without reading them."""
    get = b"GET /v1/labelsets HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"

    def work(target: Target) -> str:
        number = next(NAMES)
        if number < sets:
            return target.send(put(f"/v1/labelsets/set-{number}", body))
        return target.send_and_hold(get)

    return work


def classifying(body: bytes):
    """Work: puts a set once, then sends small requests whose answers contain all of its names."""
    image = encoded(samples()[0])
    asked = json.dumps({"images": [image] * 8, "labelset": "large"}).encode()

    def work(target: Target) -> str:
        if next(NAMES) == 0:
            return target.send(put("/v1/labelsets/large", body))
        return target.send(post("/v1/classify", JSON, asked))

    return work


ATTACKS = [
    Attack(
        "A6", "classify by a label set of 20 MB of names", lambda: classifying(with_long_labels(2000, 10_000))
    ),
    Attack(
        "A7",
        "PUT of label sets of 57 MB, 8 clients",
        lambda: putting(with_large_images(57_000_000)),
        clients=8,
    ),
    Attack(
        "A7",
        "PUT of label sets of 1,000 labels, 8 clients",
        lambda: putting(with_long_names(1000, 100)),
        clients=8,
    ),
    Attack("A7", "PUT of broken label sets of 60 MB", lambda: again(put("/v1/labelsets/a", BLIND * FULL))),
    Attack(
        "A7",
        "4 sets of 20 MB, then lists that nobody reads",
        lambda: listing(4, with_long_labels(2000, 10_000)),
        clients=8,
    ),
    Attack("A8", 'PUT of 60 MB of "", as labels', lambda: putting(empty_strings())),
]
