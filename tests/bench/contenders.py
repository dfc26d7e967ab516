"""The compared servers: how each one is started, and the form of its requests."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.connection import Request
from tests.bench.machine import cores
from tests.bench.model_files import infinity_model
from tests.bench.paths import BENCH_PYTHON, HERE, INFINITY_PYTHON, onnxruntime_library, server_binary
from tests.bench.servers import HOST, Server, free_port


def post(path: str, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """An HTTP request as bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {HOST}",
        f"content-type: {content_type}",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True)
class Embeddings:
    """The request format that this server and the FastAPI baseline share."""

    headers: dict[str, str] = field(default_factory=dict)

    def image(self, data: bytes, content_type: str = "image/jpeg") -> Request:
        """One image, as the raw body."""
        return Request(post("/v1/embeddings", content_type, data, self.headers))

    def texts(self, texts: Sequence[str]) -> Request:
        """Some texts, as JSON."""
        body = json.dumps({"input": list(texts)}).encode()
        return Request(post("/v1/embeddings", "application/json", body, self.headers))


class ClipIn:
    """This server at a fixed precision (its default depends on the machine), otherwise with default settings."""

    embeddings = Embeddings()

    def __init__(
        self,
        bundle: Path,
        *arguments: str,
        precision: str = "fp32",
        binary: Path | None = None,
        name: str = "clip-in",
    ):
        self.bundle, self.arguments, self.precision, self.binary = bundle, arguments, precision, binary
        self.same_vectors = precision == "fp32"
        self.name = name if self.same_vectors else f"{name} {precision}"

    def start(self) -> Server:
        """A fresh process."""
        port = free_port()
        command = [self.binary or server_binary(), "serve", "--model", self.bundle]
        command += ["--listen", f"{HOST}:{port}", "--precision", self.precision, *self.arguments]
        environment = {"ORT_DYLIB_PATH": onnxruntime_library()}
        return Server(self.name, command, port, "/readyz", environment)


class FastApi:
    """The baseline, in one of the configurations that use all cores."""

    embeddings = Embeddings()
    same_vectors = True

    def __init__(self, bundle: Path, processes: int, threads: int):
        self.bundle, self.processes, self.threads = bundle, processes, threads
        self.name = f"FastAPI {processes} x {threads}"

    def start(self) -> Server:
        """Starts a new process (or several)."""
        port = free_port()
        command = [BENCH_PYTHON, HERE / "fastapi_baseline.py", self.bundle, port]
        command += ["--processes", self.processes, "--threads", self.threads]
        return Server(self.name, command, port, "/healthz")


def fastapi_ways(bundle: Path) -> list[FastApi]:
    """One process whose session uses all cores; one with concurrent requests; one process per core."""
    return [FastApi(bundle, 1, cores()), FastApi(bundle, 1, 1), FastApi(bundle, cores(), 1)]


class InfinityRequests:
    """OpenAI's embeddings request with infinity's extension: images as data URIs in JSON."""

    def image(self, data: bytes, content_type: str = "image/jpeg") -> Request:
        """One image."""
        uri = f"data:{content_type};base64,{base64.b64encode(data).decode()}"
        return self._request({"input": [uri], "modality": "image"})

    def texts(self, texts: Sequence[str]) -> Request:
        """Some texts."""
        return self._request({"input": list(texts), "modality": "text"})

    @staticmethod
    def _request(content: dict) -> Request:
        body = json.dumps({"model": "bench", "encoding_format": "float", **content}).encode()
        return Request(post("/embeddings", "application/json", body))


class Infinity:
    """infinity-emb with its defaults on the CPU. It has other weights: the same work, but different vectors."""

    name = "infinity"
    embeddings = InfinityRequests()
    same_vectors = False

    def start(self) -> Server:
        """Starts a new process that does not use the network."""
        port = free_port()
        command = [INFINITY_PYTHON.parent / "infinity_emb", "v2", "--model-id", infinity_model()]
        command += ["--engine", "torch", "--device", "cpu", "--host", HOST, "--port", port]
        command += ["--served-model-name", "bench"]
        environment = {
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "DO_NOT_TRACK": "1",
            "INFINITY_LOG_LEVEL": "warning",
        }
        return Server(self.name, command, port, "/health", environment)
