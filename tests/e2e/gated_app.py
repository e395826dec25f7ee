"""An application whose handlers last as long as a test wants: each holds a connection to the test's gate.

`?name=…` opens that connection and says the name; the handler ends when the gate closes it, or after `?seconds=…`.
Without a name the answer comes at once; `/read` says how large the body was. `create()` is what gunicorn calls; GATE is
`host:port`, OPEN_FILES a limit, LOADING how many seconds a worker takes to begin.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading

from flask import Flask, Response, jsonify, request

from inbox import logs
from inbox.server import shedding
from inbox.web import problems


def create() -> Flask:
    """The application."""
    logs.configure("json", "INFO")
    app = Flask("gated")
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000
    host, _, port = os.environ["GATE"].partition(":")
    threading.Event().wait(float(os.environ.get("LOADING", "0")))  # as an application that is large

    @app.get("/health")
    def health() -> Response:
        return jsonify(shed=shedding.shed(), process=os.getpid())

    problems.register(app)

    @app.post("/read")
    def read() -> str:
        return f"{len(request.get_data())} bytes"

    @app.route("/<path:_path>", methods=["GET", "POST"])
    def work(_path: str) -> str:
        name = request.args.get("name")
        if name is None:
            return "at once"
        seconds = request.args.get("seconds", type=float)
        with socket.create_connection((host, int(port))) as gate, contextlib.suppress(TimeoutError):
            gate.sendall(f"{name}\n".encode())
            gate.settimeout(seconds)
            gate.recv(1)
        return name

    if "OPEN_FILES" in os.environ:
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(os.environ["OPEN_FILES"]), hard))
    return app
