"""Checks that two servers compute the same embeddings, which is required for a comparison."""

import http.client
import json
import socket
from collections.abc import Sequence

import numpy as np

from tests.bench.connection import Request
from tests.bench.servers import Server

LEAST_COSINE = 0.9999
ASKED = 8


class Disagreement(Exception):
    """The embeddings of two servers differ."""


def vectors(server: Server, requests: Sequence[Request], asked: int = ASKED) -> np.ndarray:
    """Embeddings of the first requests, sent one after another."""
    rows = []
    for request in requests[:asked]:
        with socket.create_connection(server.address, timeout=120) as connection:
            connection.sendall(request.bytes)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            body = answer.read()
        if answer.status != 200:
            raise Disagreement(
                f"{server.name} answers {answer.status}: {body[:300].decode(errors='replace')}"
            )
        rows += [entry["embedding"] for entry in json.loads(body)["data"]]
    found = np.array(rows, np.float64)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def check(name: str, found: np.ndarray, reference: np.ndarray) -> float:
    """The smallest cosine to the reference; raises `Disagreement` if it is too small."""
    if found.shape != reference.shape:
        raise Disagreement(f"{name} gives {found.shape} numbers, the reference {reference.shape}")
    worst = float((found * reference).sum(axis=1).min())
    if not worst >= LEAST_COSINE:
        raise Disagreement(
            f"{name}'s embeddings differ: cosine {worst:.6f}, at least {LEAST_COSINE} is needed"
        )
    return worst


def check_own(name: str, found: np.ndarray) -> None:
    """Checks a model with other weights: its embeddings must be finite and depend on the input."""
    if not np.isfinite(found).all() or np.ptp(found, axis=0).max() < 1e-6:
        raise Disagreement(f"{name}'s embeddings do not depend on its input")
