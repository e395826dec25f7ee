"""Where a worker answers /metrics: it serves no requests, so this one page gets a port of its own."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from inbox.background import Background
from inbox.operations.metrics.page import CONTENT_TYPE, Page

log = logging.getLogger(__name__)

_AGAIN = 5.0  # seconds until the port is tried again: the worker before this one may still be finishing its work
_SILENT = 5.0  # seconds a client may take to say what it wants


class Listener:
    """Of one process. The worker does its work whether or not the port can be had."""

    def __init__(self, page: Page, place: tuple[str, int]) -> None:
        self._place = place
        self._handler = _handler(page)
        self._stopping = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._thread = Background("metrics", self._run)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Give the port back."""
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                server = _Server(self._place, self._handler)
            except OSError as error:
                told = "%s:%d for /metrics cannot be had (%s), trying again"
                log.warning(told, *self._place, error.strerror or type(error).__name__)
                self._stopping.wait(_AGAIN)
                continue
            with server:
                self._server = server
                server.serve_forever(poll_interval=1.0)
            return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients go away; the library would print that, with their addresses."""


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SILENT
        server_version, sys_version = "inbox", ""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
            elif not page.may_be_read_with(self.headers.get("Authorization", "")):
                self.send_error(401)
            else:
                self._answer(page.text())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """As for the web: the proxy logs requests."""

    return Handler
