"""The Flask application, with one habit of its own: a read whose database connection was cut is done once more."""

from __future__ import annotations

import logging

from flask import Flask, request
from flask.typing import ResponseReturnValue

from inbox.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

_READS = ("GET", "HEAD")


class Application(Flask):
    """Flask. Reads change nothing, so where their caller would see 503 the whole view may run on a fresh connection."""

    def dispatch_request(self) -> ResponseReturnValue:
        """As Flask's. Writes are repeated where they are made, one transaction at a time."""
        try:
            return super().dispatch_request()
        except DatabaseUnavailable as error:
            if request.method not in _READS or not error.may_repeat:
                raise
        log.warning("repeating a read: its connection was cut")
        return super().dispatch_request()
