"""The one requests.Session, and one exchange over it.

Every call to an upstream leaves through `exchange`, or through `stream` when its answer is a file. It sends once, keeps
the deadline of `resilience.py` on every byte, and sorts the ways it can go wrong by one question: can the upstream have
acted? The answer does not stand in the exception (requests raises the same ConnectionError for "refused" and for "cut
off after the request was read"), so the connection notes how far it got.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from inbox.errors import UpstreamError, UpstreamOutcomeUnknown, UpstreamUnavailable, UpstreamUntrusted
from inbox.logs import request_id
from inbox.resilience import Upstream, remaining
from inbox.resilience.deadline import restore, shorten

log = logging.getLogger(__name__)

POOL_SIZE = 256  # connections kept per host: more than any bulkhead allows, so none is ever thrown away
HOSTS = 8  # whose pools are kept; we call three, and those that Meta keeps files on
IDLE_LIMIT = 20.0  # seconds; a peer closes idle connections, and a request that meets the closing is ambiguous
USER_AGENT = "inbox/0.1"

#: One more connect, because nothing was sent yet; everything else is decided where its meaning is known.
RETRY = urllib3.Retry(
    total=1,
    connect=1,
    read=False,
    status=0,
    redirect=0,
    other=0,
    allowed_methods=None,
    respect_retry_after_header=False,
    raise_on_status=False,
)

# --- sockets that keep a deadline --------------------------------------------------------------------------------


class _Call(threading.local):
    """What this thread's exchange is about: its limits, and how far it got."""

    phase = "connect"  #: connect: nothing sent; sent: perhaps read; headers: answered
    read_timeout: float | None = None
    connect_by = math.inf  #: time.monotonic(); connecting a second time has what the first left
    public_only = False  #: the address came from outside: it must not lead into our own network


_call = _Call()


def _arm(sock: socket.socket) -> None:
    """Let the next operation wait no longer than the read timeout or what is left of the deadline."""
    left = remaining()
    limit = _call.read_timeout
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


class _DeadlineSocket(_KeepsDeadline, socket.socket):
    pass


class _DeadlineSSLSocket(_KeepsDeadline, ssl.SSLSocket):
    pass


class _Connection(HTTPConnection):
    """A connection that resolves and connects within one budget and notes how far its request got."""

    idle_since = 0.0

    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _call.phase = "sent"
        super().send(data)

    def getresponse(self) -> Any:
        response = super().getresponse()
        _call.phase = "headers"
        return response


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _KeepsFresh:
    """Connections that lay idle for too long are closed before the peer may do so in the middle of a request."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)  # type: ignore[misc]  # of the pool this is mixed into
        if getattr(conn, "sock", None) is not None and time.monotonic() - conn.idle_since > IDLE_LIMIT:
            conn.close()
        return conn

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)  # type: ignore[misc]  # of the pool this is mixed into


class _Pool(_KeepsFresh, HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(_KeepsFresh, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _connect(conn: HTTPConnection) -> socket.socket:
    """A connected socket within the connect timeout or the deadline, all addresses of the name together."""
    limit = conn.timeout if isinstance(conn.timeout, int | float) else 30.0
    left = remaining()
    now = time.monotonic()
    end = min(_call.connect_by, now + (limit if left is None else min(limit, left)))
    if end <= now:
        raise ConnectTimeoutError(conn, "connecting took too long")
    addresses = _resolve(conn, end)
    error: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - number)
        if share <= 0:
            break
        sock = _DeadlineSocket(family, kind, protocol)
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
    if _call.public_only and not all(ipaddress.ip_address(each[4][0]).is_global for each in found):
        raise NewConnectionError(conn, "the name leads to an address that is not public")
    return found


# --- the session -------------------------------------------------------------------------------------------------


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = _DeadlineSSLSocket
        context.load_default_certs()
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: told not to follow a redirect, requests would still read all of its body, however long it is."""


def _make_session() -> requests.Session:
    """Never changed after this: a header or cookie set later would leak between callers."""
    made = _Session()
    made.trust_env = False  # a .netrc would replace our token, a proxy variable our target
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_connections=HOSTS, pool_maxsize=POOL_SIZE, pool_block=False, max_retries=RETRY)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    made.headers["User-Agent"] = USER_AGENT
    made.headers["Accept-Encoding"] = "identity"  # answers are small, and a bomb is one without a fuse
    return made


session = _make_session()


def _renew_session() -> None:
    """For a forked child, before it has threads: two processes on one socket would read each other's answers."""
    global session
    session = _make_session()


os.register_at_fork(after_in_child=_renew_session)


# --- one exchange ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. `data` is the parsed JSON, or None when the body is not JSON."""

    status: int
    headers: Mapping[str, str]
    data: Any


def exchange(upstream: Upstream, method: str, url: str, *, headers: Mapping[str, str], body: Any = None) -> Answer:
    """Send one request and read the whole answer, within the upstream's limits and the thread's deadline.

    Raises UpstreamUnavailable when nothing was sent, UpstreamUntrusted for a bad certificate, DeadlineExceeded when
    there is no time to begin, and UpstreamOutcomeUnknown when the request may have been read but no complete answer
    of at most `max_bytes` came back.
    """
    upstream.check_time()
    started = time.monotonic()
    limit = upstream.policy.max_bytes
    with _watched(upstream.name, method, started), _send(upstream, method, url, headers, body) as response:
        raw = _read(response, limit)
    if raw is None:
        failure = UpstreamOutcomeUnknown(upstream.name, f"the answer is longer than {limit} bytes")
        _log(upstream.name, method, started, failure)
        raise failure
    _log(upstream.name, method, started, str(response.status_code))
    return Answer(response.status_code, response.headers, _parsed(raw))


def _send(
    upstream: Upstream,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Any = None,
    *,
    public_only: bool = False,
) -> requests.Response:
    """The head of the answer. Its body is still to be read, by whoever closes it."""
    policy = upstream.policy
    _call.phase, _call.read_timeout, _call.public_only = "connect", policy.read, public_only
    _call.connect_by = time.monotonic() + policy.connect
    return session.request(
        method,
        url,
        json=body,
        headers={**headers, "X-Request-Id": request_id()},
        timeout=(policy.connect, policy.read),
        stream=True,
        allow_redirects=False,
    )


@contextmanager
def _watched(upstream: str, method: str, started: float) -> Iterator[None]:
    """Logs what breaks an exchange, and raises it as the typed error it is."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError) as error:
        failure = _failure(upstream, error)
        _log(upstream, method, started, failure)
        raise failure from error


def _read(response: requests.Response, max_bytes: int) -> bytes | None:
    """The body, or None when it is too long; the connection is then closed, not emptied."""
    raw = bytearray()
    for chunk in response.iter_content(16_384):
        raw += chunk
        if len(raw) > max_bytes:
            return None
    return bytes(raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _failure(upstream: str, error: Exception) -> UpstreamError:
    """The typed error for an exchange that broke, by how far it got."""
    reason = _innermost(error)
    if _call.phase != "connect":
        return UpstreamOutcomeUnknown(upstream, reason, phase=_call.phase)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error).upper():
        log.error("certificate refused", extra={"upstream": upstream})
        return UpstreamUntrusted(upstream, "its certificate is not to be trusted", phase="connect")
    return UpstreamUnavailable(upstream, reason, phase="connect")


def _innermost(error: BaseException) -> str:
    """The class name of what really happened, which requests wraps twice."""
    inner = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return type(inner if isinstance(inner, BaseException) else error).__name__


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header: whole, fractional or an HTTP date. None when absent, past or unreadable."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _log(upstream: str, method: str, started: float, outcome: str | UpstreamError, **more: Any) -> None:
    if isinstance(outcome, UpstreamError):
        level, shown = logging.WARNING, f"{type(outcome).__name__}: {outcome.reason}"
    else:
        level, shown = logging.INFO, outcome
    log.log(
        level,
        "upstream call",
        extra={
            "upstream": upstream,
            "method": method,
            "outcome": shown,
            "phase": _call.phase,
            "duration_ms": round((time.monotonic() - started) * 1000, 1),
            **more,
        },
    )


# --- an answer that is a file ------------------------------------------------------------------------------------


def stream(upstream: Upstream, url: str, *, headers: Mapping[str, str], public_only: bool = False) -> Stream:
    """GET `url`: the head of the answer, with its body still to be read. Whoever has it closes it.

    Raises as `exchange` does. `public_only`: never from an address within a private network.
    """
    upstream.check_time()
    started = time.monotonic()
    with _watched(upstream.name, "GET", started):
        response = _send(upstream, "GET", url, headers, public_only=public_only)
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
        _call.phase, _call.read_timeout = "headers", self._upstream.policy.read
        outer = shorten(self.ends_at - time.monotonic())
        try:
            with _watched(self._upstream.name, "GET", self._started):
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
            _call.phase = "headers"
            _log(self._upstream.name, "GET", self._started, self._outcome, bytes=self._bytes)
