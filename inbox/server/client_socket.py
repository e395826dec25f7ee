"""A client's socket as a thread uses it: every wait has an end, however slowly the client sends or reads.

gunicorn's threads block in recv() and sendall() without a limit: a client that sends one byte a minute, or reads
nothing, would hold one for ever (measured on gunicorn 27). A timeout of the socket starts again with each byte; this
does not.
"""

from __future__ import annotations

import errno
import math
import select
import socket
import time
from typing import Any

READ = 10.0  # seconds a thread waits for all of a request
SEND = 5.0  # seconds it waits for a client to take one piece of an answer, and one more for each RATE bytes of it
RATE = 16 * 1024
_PIECE = 64 * 1024
_NOW = socket.MSG_DONTWAIT


class ClientSocket(socket.socket):
    """Takes over the socket it is made of. Raises BrokenPipeError when time is up, which gunicorn takes calmly."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.read_by = math.inf  #: monotonic seconds; nothing is waited for beyond it

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has come; waits for it until `read_by`, unless the socket is non-blocking or `flags` say not to."""
        if flags & _NOW or self.gettimeout() is not None:
            return super().recv(size, flags)
        while True:
            try:
                return super().recv(size, flags | _NOW)
            except BlockingIOError:
                self._wait(select.POLLIN, self.read_by)

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        """Send all of it, unless the client takes it too slowly."""
        left, until = memoryview(data), time.monotonic() + SEND + len(data) / RATE
        while left:
            try:
                left = left[self.send(left, flags | _NOW) :]
            except BlockingIOError:
                self._wait(select.POLLOUT, until)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of a file, in pieces: the kernel's own way would wait for the client without an end."""
        file.seek(offset)
        sent = 0
        while piece := file.read(_PIECE if count is None else min(_PIECE, count - sent)):
            self.sendall(piece)
            sent += len(piece)
        return sent

    def _wait(self, event: int, until: float) -> None:
        seconds = until - time.monotonic()
        poll = select.poll()
        poll.register(self, event)
        if seconds <= 0 or not poll.poll(None if seconds == math.inf else math.ceil(seconds * 1000)):
            raise BrokenPipeError(errno.EPIPE, "the client is too slow")
