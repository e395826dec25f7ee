"""The Flask application, with habits of its own: it counts, and it does a read whose connection was cut again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue

from inbox.errors import DatabaseUnavailable
from inbox.metrics import meters, statements

log = logging.getLogger(__name__)

_READS = ("GET", "HEAD")


class Application(Flask):
    """Flask. Reads change nothing, so where their caller would see 503 the whole view may run on a fresh connection."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing of ours is a coroutine; Flask looks for one seven times a request."""
        return func

    def dispatch_request(self) -> ResponseReturnValue:
        """As Flask's. Writes are repeated where they are made, one transaction at a time."""
        try:
            return super().dispatch_request()
        except DatabaseUnavailable as error:
            if request.method not in _READS or not error.may_repeat:
                raise
        log.warning("repeating a read: its connection was cut")
        return super().dispatch_request()

    def full_dispatch_request(self) -> Response:
        """As Flask's; notes when the request began."""
        g.began = time.perf_counter(), statements.so_far()
        return super().full_dispatch_request()

    def finalize_request(self, rv: Any, from_error_handler: bool = False) -> Response:
        """As Flask's; counts the answer, also where it is an error."""
        response = super().finalize_request(rv, from_error_handler)
        method = request.method if request.method in meters.METHODS else "other"
        route = request.url_rule.rule if request.url_rule is not None else "none"
        began, sent = g.began
        counted, lasted, asked = meters.of_request(method, route, response.status_code)
        counted.inc()
        lasted.observe(time.perf_counter() - began)
        asked.inc(statements.so_far() - sent)
        return response
