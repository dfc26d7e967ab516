"""The part of the Hub that a download uses: files by revision, parts of files, a commit, a token."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub(folder: Path, model: str, revision: str, token: str) -> Iterator[tuple[str, list[str]]]:
    """Serves a folder as a model that requires the token; yields the address and the list of requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            match = re.fullmatch(rf"/{model}/resolve/({revision}|{COMMIT})/([\w./-]+)", self.path)
            if self.headers["authorization"] != f"Bearer {token}":
                return self.send_error(401)
            if not match or not (folder / match[2]).is_file():
                return self.send_error(404)
            content, wanted = (folder / match[2]).read_bytes(), self.headers["range"]
            if wanted:
                first, last = map(int, wanted.removeprefix("bytes=").split("-"))
                content = content[first : last + 1]
            self.send_response(206 if wanted else 200)
            self.send_header("x-repo-commit", COMMIT)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
