"""The page's modules, served alone: what `core/` does needs no application."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STATIC = Path(__file__).parents[2] / "inbox" / "page" / "static"
FAKES = Path(__file__).parent / "fakes.js"


class _Files(SimpleHTTPRequestHandler):
    """Files under STATIC, and an empty page for everything else."""

    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }  # whatever the machine thinks

    def do_GET(self) -> None:
        if (STATIC / self.path.lstrip("/").partition("?")[0]).is_file():
            super().do_GET()
            return
        fakes = self.path == "/fakes.js"
        body = FAKES.read_bytes() if fakes else b"<!doctype html><title>modules</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if fakes else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is its own."""


@contextlib.contextmanager
def static_server() -> Iterator[str]:
    """The address of a server of the page's files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(STATIC)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
