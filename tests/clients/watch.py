"""Lets a Node script wait for what happens at the backend, where a test in Python would use `backend.wait_for`.

GET /arrived?said=TEXT    answers 204 when a request with this last user message has reached the backend, 504 if it does not
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.fakes import FakeBackend


@contextmanager
def watching(backend: FakeBackend) -> Iterator[str]:
    """The address to ask: without a path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            [said] = parse_qs(urlsplit(self.path).query)["said"]
            try:
                backend.wait_for(lambda: any(record.last_user_message == said for record in backend.requests), timeout=20)
            except TimeoutError as late:
                self.send_error(504, str(late))
            else:
                self.send_response(204)
                self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Not on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="watch")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
