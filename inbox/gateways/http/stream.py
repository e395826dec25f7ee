"""An answer that is a file: read while it comes."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping

import requests

from inbox.errors import UpstreamError
from inbox.gateways.http.exchange import log_call, send, watched
from inbox.gateways.http.sockets import call
from inbox.resilience import Upstream, remaining
from inbox.resilience.deadline import restore, shorten


def stream(upstream: Upstream, url: str, *, headers: Mapping[str, str], public_only: bool = False) -> Stream:
    """GET `url`: the head of the answer, with its body still to be read. The caller closes it.

    Raises as `exchange` does. `public_only`: never from an address within a private network.
    """
    upstream.check_time()
    started = time.monotonic()
    with watched(upstream.name, "GET", started):
        response = send(upstream, "GET", url, headers, public_only=public_only)
    return Stream(upstream, response, started)


class Stream:
    """An answer that is read while it comes, under the deadline of the thread that asked for it.

    The body is passed on as it is on the wire, never unpacked.
    """

    PIECE = 65_536  # bytes

    def __init__(self, upstream: Upstream, response: requests.Response, started: float) -> None:
        left = remaining()
        self.status = response.status_code
        self.headers = response.headers
        self.ends_at = math.inf if left is None else time.monotonic() + left  #: time.monotonic()
        self._upstream = upstream
        self._response = response
        self._started = started
        self._pieces: Iterator[bytes] = response.raw.stream(self.PIECE, decode_content=False)
        self._bytes = 0
        self._outcome: str | None = f"{response.status_code}, not read to its end"  # None: logged already
        self._closed = False

    def read(self) -> bytes:
        """The next bytes of the body, b"" after the last. Raises UpstreamOutcomeUnknown when it breaks off."""
        # Other calls may have been made since by this thread, and between two reads it has no deadline.
        call.phase, call.read_timeout = "headers", self._upstream.policy.read
        outer = shorten(self.ends_at - time.monotonic())
        try:
            with watched(self._upstream.name, "GET", self._started):
                piece = next(self._pieces, b"")
        except UpstreamError:
            self._outcome = None
            raise
        finally:
            restore(outer)
        self._bytes += len(piece)
        if not piece:
            self._outcome = str(self.status)
        return piece

    def close(self) -> None:
        """Give the connection back if all was read, or close it. Again, it does nothing."""
        if self._closed:
            return
        self._closed = True
        self._response.close()
        if self._outcome is not None:
            call.phase = "headers"
            log_call(self._upstream.name, "GET", self._started, self._outcome, bytes=self._bytes)
