"""Answers that are files: read from elsewhere while they are written to the client."""

from __future__ import annotations

import errno
import logging
import socket
import time
from typing import TYPE_CHECKING, Self

from flask import Response, request

from inbox.errors import UpstreamError

if TYPE_CHECKING:
    from inbox.media.service import Content, Found

log = logging.getLogger(__name__)


def answer_file(found: Found, *, max_age: int) -> Response:
    """The file, under rules for caches: its reader's alone, for `max_age` seconds, and for these credentials only."""
    content = None if found.content is None else _Content(found.content, _socket_of_client())
    response = Response(content, found.status, found.headers, direct_passthrough=True)
    response.automatically_set_content_length = False  # HEAD of a file whose size nobody told is not 0 bytes
    response.set_etag(found.etag)
    response.cache_control.private = True
    response.cache_control.max_age = max_age
    response.vary.update(("Authorization", "Cookie"))
    response.accept_ranges = "bytes"
    return response


def _socket_of_client() -> socket.socket | None:
    """What Werkzeug's server writes to, without an end of its own; under gunicorn, each write has one already."""
    found = request.environ.get("werkzeug.socket")
    return found if isinstance(found, socket.socket) else None


class _Content:
    """What the WSGI server writes to the client: the file, under its deadline, or a broken connection."""

    def __init__(self, file: Content, client: socket.socket | None) -> None:
        self._file = file
        self._client = client

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._file)
        except UpstreamError as error:
            log.warning("a file was cut short", extra={"reason": error.reason})
            raise _broken() from error
        left = self._file.ends_at - time.monotonic()
        if left <= 0:
            log.warning("a file was cut short", extra={"reason": "its reader was too slow"})
            raise _broken()
        if self._client is not None:
            self._client.settimeout(left)  # of the whole write that follows
        return piece

    def close(self) -> None:
        """The server's last call, however it ended."""
        self._file.close()
        if self._client is not None and self._client.fileno() >= 0:
            self._client.settimeout(None)


def _broken() -> OSError:
    """What makes a server close the connection and say no more.

    To end early instead would leave the client waiting for the bytes that Content-Length promised, and take the next
    answer for them.
    """
    return ConnectionResetError(errno.ECONNRESET, "the file was cut short")
