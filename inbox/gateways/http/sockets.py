"""Connections that keep a deadline on every byte, and note how far their request got."""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import threading
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from inbox.resilience import remaining

IDLE_LIMIT = 20.0  # seconds; a peer closes idle connections, and a request that meets the closing is ambiguous


class Call(threading.local):
    """What this thread's exchange is about: its limits, and how far it got."""

    phase = "connect"  #: connect: nothing sent; sent: perhaps read; headers: answered
    read_timeout: float | None = None
    connect_by = math.inf  #: time.monotonic(); connecting a second time has what the first left
    public_only = False  #: the address came from outside: it must not lead into our own network


call = Call()


def _arm(sock: socket.socket) -> None:
    """Let the next operation wait no longer than the read timeout or what is left of the deadline."""
    left = remaining()
    limit = call.read_timeout
    if left is not None:
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        limit = left if limit is None else min(limit, left)
    sock.settimeout(limit)


class _KeepsDeadline:
    """timeout= is per read, so a peer that drips bytes could hold a thread for ever; this counts the whole."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _arm(self)  # type: ignore[arg-type]  # of the socket this is mixed into
        received: int = super().recv_into(*args, **kwargs)  # type: ignore[misc]
        return received

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        _arm(self)  # type: ignore[arg-type]
        super().sendall(*args, **kwargs)  # type: ignore[misc]


class DeadlineSocket(_KeepsDeadline, socket.socket):
    pass


class DeadlineSSLSocket(_KeepsDeadline, ssl.SSLSocket):
    pass


class _Connection(HTTPConnection):
    """A connection that resolves and connects within one budget and notes how far its request got."""

    idle_since = 0.0

    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        call.phase = "sent"
        super().send(data)

    def getresponse(self) -> Any:
        response = super().getresponse()
        call.phase = "headers"
        return response


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _KeepsFresh:
    """Connections that lay idle for too long are closed before the peer may do so in the middle of a request."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)  # type: ignore[misc]  # of the pool this is mixed into
        sock = getattr(conn, "sock", None)
        if sock is not None and (time.monotonic() - conn.idle_since > IDLE_LIMIT or _is_forbidden(sock)):
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)  # type: ignore[misc]  # of the pool this is mixed into


def _is_forbidden(sock: socket.socket) -> bool:
    """True for a connection into a private network, which an address from outside must not find open."""
    if not call.public_only:
        return False
    try:
        return not ipaddress.ip_address(sock.getpeername()[0]).is_global
    except OSError:  # it is broken
        return True


class Pool(_KeepsFresh, HTTPConnectionPool):
    ConnectionCls = _Connection


class SecurePool(_KeepsFresh, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class NotPublicError(NewConnectionError):
    """The name leads into a private network, and the address came from outside."""


def _connect(conn: HTTPConnection) -> socket.socket:
    """A connected socket within the connect timeout or the deadline, all addresses of the name together."""
    limit = conn.timeout if isinstance(conn.timeout, int | float) else 30.0
    left = remaining()
    now = time.monotonic()
    end = min(call.connect_by, now + (limit if left is None else min(limit, left)))
    if end <= now:
        raise ConnectTimeoutError(conn, "connecting took too long")
    addresses = _resolve(conn, end)
    error: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - number)
        if share <= 0:
            break
        sock = DeadlineSocket(family, kind, protocol)
        try:
            for option in conn.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(share)
            sock.connect(address)
        except OSError as failed:
            sock.close()
            error = failed
        else:
            # The TLS handshake that may follow has what is left of the budget.
            sock.settimeout(max(0.05, end - time.monotonic()))
            return sock
    if error is None or isinstance(error, TimeoutError):
        raise ConnectTimeoutError(conn, "connecting took too long") from error
    raise NewConnectionError(conn, f"cannot connect: {error.strerror}") from error


def _resolve(conn: HTTPConnection, end: float) -> list[Any]:
    """getaddrinfo with an end: it takes no timeout, and a dead resolver holds it for 10 s and more."""
    host, port = conn._dns_host, conn.port
    found: list[Any] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)

    if host.replace(".", "").isdigit() or ":" in host:  # an address: nothing to wait for
        look_up()
    else:
        thread = threading.Thread(target=look_up, name="resolve", daemon=True)
        thread.start()
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            raise ConnectTimeoutError(conn, "the name server does not answer")
    if failed:
        raise NameResolutionError(host, conn, socket.gaierror(str(failed[0]))) from failed[0]
    if call.public_only and not all(ipaddress.ip_address(each[4][0]).is_global for each in found):
        raise NotPublicError(conn, "the name leads to an address that is not public")
    return found
