"""Answers of the server itself, to what no route gets to see: in the shape of all our errors, and the last ones of
their connection, because nobody knows where a next request would begin."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from urllib.parse import unquote

from inbox.clock import new_id

_REQUEST_ID = re.compile(rb"\r\nx-request-id:[ \t]*([A-Za-z0-9._:@=+-]{20,200})[ \t]*\r\n", re.IGNORECASE)
_INSTANCE = 500  # characters


def answer(head: bytes, status: int, code: str, title: str, *headers: str) -> bytes:
    """A whole HTTP/1.1 answer to the request that begins with `head`."""
    method, _, after = head.partition(b"\r\n")[0].partition(b" ")
    target = after.partition(b" ")[0].partition(b"?")[0]
    given = _REQUEST_ID.search(head)
    request_id = given[1].decode() if given else new_id().hex
    problem = {
        "type": f"urn:inbox:error:{code}",
        "title": title,
        "status": status,
        "detail": code,
        "instance": unquote(target.decode("latin-1"))[:_INSTANCE],
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(problem).encode()
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *headers,
        f"X-Request-Id: {request_id}",
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == b"HEAD" else body)
