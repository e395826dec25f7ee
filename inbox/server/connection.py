"""A client's connection, as the main thread of a worker looks at it: without waiting for anything."""

from __future__ import annotations

import contextlib
import fcntl
import io
import select
import socket
import struct
import termios
from typing import Any

from gunicorn.workers.gthread import TConn

from inbox.server import shedding
from inbox.server.client_socket import ClientSocket
from inbox.server.shedding import Ticket

PEEK = shedding.HEAD  # bytes looked at
ARRIVAL = 20.0  # seconds for a request to arrive
_PIECE = 256 * 1024  # bytes taken out of the kernel at a time
_IP = (socket.AF_INET, socket.AF_INET6)  # a Unix socket wakes the poller with each byte; behind it is a proxy of ours
_LEFT = getattr(select, "POLLRDHUP", select.POLLHUP)  # the client has closed, whatever it sent before; Linux's name


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client's connection, which can be looked at without reading from it."""

    def __init__(self, worker: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, ClientSocket(sock), client, server)
        self.close_later = worker.linger
        self.arrive_by: float | None = None  # monotonic seconds, once its next request has begun to come
        self.thrown_away = 0
        self.ticket: Ticket | None = None  # of its newest request

    def peek(self) -> bytes | None:
        """The first bytes of the next request, b"" when none will come, None when none has come yet."""
        read_ahead = bytes(self._read_ahead()[:PEEK])
        try:
            arrived: bytes = self.sock.recv(PEEK, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return read_ahead or None
        except OSError:
            return read_ahead
        return read_ahead + arrived

    def missing(self, head: bytes) -> int:
        """Bytes of the request beginning with `head` that have to come before a thread can read it without waiting."""
        whole = shedding.length(head)
        if whole is None or whole <= len(head) or self.sock.family not in _IP or self.has_left():
            return 0
        if whole > shedding.WHOLE:
            self._gather()
        return max(0, whole - self._arrived())

    def _arrived(self) -> int:
        waiting = struct.unpack("i", fcntl.ioctl(self.sock, termios.FIONREAD, b"\0" * 4))[0]
        return int(waiting) + self.gathered

    @property
    def gathered(self) -> int:
        """Bytes of its next request, and of those behind it, that are held here."""
        return len(self._read_ahead())

    def _read_ahead(self) -> memoryview:
        return memoryview(b"") if self.parser is None else self.parser.unreader.buf.getbuffer()

    def _gather(self) -> None:
        """Take what has come out of the kernel, whose buffer is too small for all of the request. Never waits."""
        self.init()
        held = self.parser.unreader.buf
        held.seek(0, io.SEEK_END)
        with contextlib.suppress(OSError):  # what is wrong with the connection shows when it is read
            while piece := self.sock.recv(_PIECE, socket.MSG_DONTWAIT):
                held.write(piece)
                if len(piece) < _PIECE:
                    return

    @property
    def waits_since(self) -> float:
        """When it began to wait for the client: monotonic seconds."""
        return float(self.timeout) - (self.cfg.keepalive if self.arrive_by is None else ARRIVAL)

    def has_left(self) -> bool:
        """Whether the client has closed its side. A peek would see only what it sent before."""
        poll = select.poll()
        poll.register(self.sock, _LEFT)
        return bool(poll.poll(0))

    def refuse(self) -> None:
        """Answer 503, as far as the client takes it at once."""
        with contextlib.suppress(OSError):
            self.sock.send(shedding.refusal(self.peek() or b""), socket.MSG_DONTWAIT)

    def close(self, graceful: bool = False) -> None:
        """Close now, or (`graceful`, main thread only) when the client has had time to read the answer."""
        if graceful:
            self.close_later(self)
        else:
            super().close()
