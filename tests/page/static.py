"""The page's modules, served alone: what `core/` does needs no application."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from inbox.page.assets import assets

STATIC = Path(__file__).parents[2] / "inbox" / "page" / "static"
FAKES = Path(__file__).parent / "fakes.js"


def _words(path: str) -> bytes | None:
    """The page's words, which are made when they are served."""
    made = assets().files.get(path.lstrip("/")) if path.startswith("/words/") else None
    return made and made.content


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
        script = FAKES.read_bytes() if self.path == "/fakes.js" else _words(self.path)
        body = script or b"<!doctype html><title>modules</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html; charset=utf-8")
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
