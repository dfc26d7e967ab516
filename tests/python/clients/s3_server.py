"""An S3 server (moto's) that can be made to fail."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

REFUSAL = b"<Error><Code>AccessDenied</Code><Message>key AKIA-IN-THE-ANSWER may not</Message></Error>"


class Failing:
    """Forwards requests, but fails those for which `fault`, called with method and path, returns a fault."""

    def __init__(self, app: Callable):
        self.app = app
        self.fault: Callable[[str, str], str | None] = lambda method, path: None

    def __call__(self, environ: dict, start: Callable) -> Iterable[bytes]:
        fault = self.fault(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if fault == "unavailable":
            start("503 Slow Down", [("content-length", "0")])
            return [b""]
        if fault == "refused":
            start("403 Forbidden", [("content-length", str(len(REFUSAL)))])
            return [REFUSAL]
        body = self.app(environ, start)
        return half(body) if fault == "cut" else body


def half(body: Iterable[bytes]) -> Iterator[bytes]:
    """The first half of a body whose header declared the full length."""
    whole = b"".join(body)
    yield whole[: len(whole) // 2]


class Store:
    """A running server."""

    def __init__(self, url: str, failing: Failing):
        self.url = url
        self.failing = failing

    def environment(self, key: str = "test-key-id", secret: str = "test-secret") -> dict[str, str]:
        """The environment variables that a program needs to use it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def client(self, service: str = "s3"):
        """Amazon's own client for it."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test-key-id",
            aws_secret_access_key="test-secret",
            config=Config(s3={"addressing_style": "path"}),
        )


@contextmanager
def storing(bucket: str) -> Iterator[Store]:
    """Starts a server on a free port, with an empty bucket."""
    failing = Failing(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, failing, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        store = Store(f"http://127.0.0.1:{server.port}", failing)
        store.client().create_bucket(Bucket=bucket)
        yield store
    finally:
        server.shutdown()
        thread.join()
