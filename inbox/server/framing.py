"""What comes instead of a request, or of a body: answered and logged so that it costs little."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.http.body import Body

from inbox.logs import Thinned, set_request_id
from inbox.server.refusals import answer

refused = Thinned(logging.getLogger(__name__))

_STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.LimitRequestLine: (414, "The address is too long."),
    errors.LimitRequestHeaders: (431, "The headers are too large, or too many."),
    errors.ExpectationFailed: (417, "The Expect header asks for what this server does not do."),
    errors.UnsupportedTransferCoding: (501, "Send the body as it is, or with Transfer-Encoding: chunked."),
}


def refuse(client: socket.socket, addr: Any, error: errors.ParseException) -> None:
    """Answer what cannot be read as a request; log its kind, and nothing of what came."""
    set_request_id("")  # this thread still has that of the request before
    refused.warning(f"refused what is no request: {type(error).__name__}", str(addr[0]) if addr else "unknown")
    status, title = _STATUS.get(type(error), (400, "This is not an HTTP request as this server reads it."))
    code = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    with contextlib.suppress(OSError):
        client.send(answer(b"", status, code, title), socket.MSG_DONTWAIT)


class FramedBody(Body):  # type: ignore[misc]  # gunicorn has no types
    """A request's body. One whose framing is wrong (a chunk without its size) ends like a connection that breaks:
    Werkzeug answers 400, and gunicorn closes without a word."""

    def _read_reader(self, size: int) -> Any:
        try:
            return super()._read_reader(size)
        except errors.ParseException as error:
            raise BrokenPipeError(errno.EPIPE, "the body is not framed as it should be") from error
