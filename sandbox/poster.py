"""POST to the application over kept-alive connections, one per thread."""

import http.client
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit


class Poster:
    """One thread's connection to the application, opened again when the address changes or the other side closed it."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._origin = ""
        self._aborted = False

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer. Raises OSError or HTTPException when there is none.

        A kept-alive connection that proves to be closed is replaced at once: that is the connection's end, not an
        answer to this body. Meta repeats too, so the application must stand a repetition anyway.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin != self._origin:
            self.close()
            self._origin = origin
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self._connection is not None:
            with suppress(http.client.RemoteDisconnected, ConnectionError):
                return self._exchange(self._connection, target, body, headers)
            self.close()
        if self._aborted:
            raise ConnectionAbortedError
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.netloc, timeout=self._timeout)
        return self._exchange(self._connection, target, body, headers)

    def _exchange(
        self, connection: http.client.HTTPConnection, target: str, body: bytes, headers: Mapping[str, str]
    ) -> int:
        try:
            connection.request("POST", target, body, dict(headers))
            response = connection.getresponse()
            response.read()
        except BaseException:
            self.close()
            raise
        if response.will_close:
            self.close()
        return response.status

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """From another thread: let a POST under way fail now, and any later one."""
        self._aborted = True
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Posters:
    """The Poster of each thread that asks for one."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._mine = threading.local()
        self._all: list[Poster] = []

    def mine(self) -> Poster:
        poster: Poster | None = getattr(self._mine, "poster", None)
        if poster is None:
            poster = self._mine.poster = Poster(self._timeout)
            self._all.append(poster)
        return poster

    def abort(self) -> None:
        for poster in self._all:
            poster.abort()

    def close(self) -> None:
        """Only once no thread posts any more."""
        for poster in self._all:
            poster.close()
