"""A line of a running server: creates it, inspects parts, calibrates."""

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import TypeVar

from tests.bench.servers import Server

CLIENTS = 3
T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """A line by name."""

    server: Server
    name: str

    def put(self, references: Iterable[bytes], promise: dict, **more: object) -> dict:
        """Creates the line with these images as its reference."""
        images = [base64.b64encode(image).decode() for image in references]
        definition = {"references": images, "promise": promise, **more}
        return self._ask("PUT", "", "application/json", json.dumps(definition).encode())

    def inspect(self, image: bytes) -> dict:
        """Inspects a part."""
        return self._ask("POST", "/inspections", "image/png", image)

    def add(self, lot: str, label: str, images: list[bytes]) -> None:
        """Sends labelled parts of a lot."""
        mark = b"a-boundary-that-no-picture-has"
        fields = {"declared": "drawn parts", "lot": lot, "class": label, "calibrate": "false"}
        part = b"--" + mark + b'\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        parts = [part % (name.encode(), b"", value.encode()) for name, value in fields.items()]
        parts += [
            part % (b"image", b'; filename="x.png"\r\ncontent-type: image/png', image) for image in images
        ]
        body = b"".join(parts) + b"--" + mark + b"--\r\n"
        self._ask("POST", "/calibrations", f"multipart/form-data; boundary={mark.decode()}", body)

    def calibrate(self) -> dict:
        """Calibrates with all parts that were sent; returns the report."""
        return self._ask("POST", "/calibrations", "application/json", b"{}")

    def end_alarm(self) -> None:
        """Ends the alarm of the monitors."""
        self._ask("DELETE", "/drift", "application/json", b"")

    def _ask(self, method: str, path: str, content_type: str, body: bytes) -> dict:
        return ask(self.server, method, f"/v1/lines/{self.name}{path}", content_type, body)


IDLE_SECONDS = 5.0
"""A connection that was not used for so long is replaced: the server may have closed it."""

_of_thread = local()


def ask(server: Server, method: str, path: str, content_type: str, body: bytes = b"") -> dict:
    """One request over this thread's connection. Raises RuntimeError if it is refused."""
    address, used, connection = getattr(_of_thread, "last", (None, 0.0, None))
    if address != server.address or time.monotonic() - used > IDLE_SECONDS:
        connection = http.client.HTTPConnection(*server.address, timeout=300)
    connection.request(method, path, body, {"content-type": content_type})
    answer = connection.getresponse()
    read = answer.read()
    _of_thread.last = (server.address, time.monotonic(), connection)
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {read[:500].decode(errors='replace')}")
    return json.loads(read) if read else {}


def side_by_side(work: Callable[[T], dict], items: Iterable[T]) -> Iterator[dict]:
    """The answers in the order of the items."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        yield from clients.map(work, items)
