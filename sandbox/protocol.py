"""HTTP/1.1 on a bare socket: one request read, one answer written.

The standard library's handler parses headers with the e-mail package and hides the socket. Here the first costs too
much under load, and the faults of `wire` need the second.
"""

import json
import selectors
import socket
import struct
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

MAX_HEAD_BYTES = 64 * 1024
#: A document of 100 MB, the largest media there is, and its multipart frame.
MAX_BODY_BYTES = 110 * 1024 * 1024

Framing = Literal["content_length", "chunked", "no_length"]

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class MalformedRequest(Exception):
    """The bytes received are not a request this server reads; `status` is the answer to give."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class Request:
    """A request as it was received. Header names are in lower case; `target` is the path with its query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    keep_alive: bool
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        path, _, query = self.target.partition("?")
        self.path = unquote(path) if "%" in path else path
        self.query = dict(parse_qsl(query, keep_blank_values=True)) if query else {}

    def json(self) -> Any:
        """The body as JSON; raises ValueError (UnicodeDecodeError included) where it is none."""
        return json.loads(self.body)

    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer …`, or None."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client, before it is framed."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()
    note: str | None = None  #: for the record of the request, not for the client


def json_answer(status: int, content: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(status, json.dumps(content, separators=(",", ":")).encode(), headers=headers)


def head_of(
    answer: Answer, *, framing: Framing = "content_length", close: bool = False, length: int | None = None
) -> bytes:
    """The status line and headers, up to and including the empty line. length is what is announced of the body."""
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}", f"Date: {_date()}"]
    lines.extend(f"{name}: {value}" for name, value in answer.headers)
    if answer.body or answer.status != 204:
        lines.append(f"Content-Type: {answer.content_type}")
    if framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif framing == "content_length" and answer.status != 204:
        lines.append(f"Content-Length: {len(answer.body) if length is None else length}")
    if close or framing == "no_length":
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; of no data, the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


_date_cache: tuple[int, str] = (0, "")


def _date() -> str:
    global _date_cache
    now = int(time.time())
    if _date_cache[0] != now:
        _date_cache = (now, formatdate(now, usegmt=True))
    return _date_cache[1]


class Connection:
    """A client's connection: its socket, and what was received on it and not used yet."""

    def __init__(self, sock: socket.socket, number: int, idle_seconds: float) -> None:
        self.sock = sock
        self.number = number
        self._received = bytearray()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.close_when_idle_for(idle_seconds)

    def close_when_idle_for(self, seconds: float) -> None:
        """Let the next reads give up after this long, as a server does with an idle kept-alive connection.

        A socket option and not settimeout(), which would bound every send as well.
        """
        whole, part = divmod(max(seconds, 0.001), 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(whole), int(part * 1e6)))

    def read_request(self) -> Request | None:
        """The next request; None when the client has closed, or sent nothing for the idle time."""
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if len(self._received) > MAX_HEAD_BYTES:
                raise MalformedRequest(431, "the headers are too long")
            if not self._receive():
                return None
        head = bytes(self._received[:end]).decode("latin-1").lstrip("\r\n")
        del self._received[: end + 4]
        return self._request(head)

    def _request(self, head: str) -> Request | None:
        request_line, *header_lines = head.split("\r\n")
        parts = request_line.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[1].startswith("/"):
            raise MalformedRequest(400, "not an HTTP/1 request line")
        headers: dict[str, str] = {}
        for line in header_lines:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise MalformedRequest(400, "not a header line")
            key = name.lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        body = self._body(headers)
        if body is None:
            return None
        wish = headers.get("connection", "").lower()
        keep_alive = wish == "keep-alive" if parts[2] == "HTTP/1.0" else wish != "close"
        return Request(parts[0], parts[1], headers, body, keep_alive)

    def _body(self, headers: dict[str, str]) -> bytes | None:
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise MalformedRequest(400, "Content-Length is not a number")
        if int(length) > MAX_BODY_BYTES:
            raise MalformedRequest(413, "the body is too long")
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._chunked_body() if chunked else self._take(int(length))

    def _chunked_body(self) -> bytes | None:
        body = bytearray()
        while True:
            line = self._take_line()
            if line is None:
                return None
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                raise MalformedRequest(400, "not a chunk size") from None
            if len(body) + size > MAX_BODY_BYTES:
                raise MalformedRequest(413, "the body is too long")
            data = self._take(size)
            if data is None or self._take_line() is None:
                return None
            if not size:
                return bytes(body)
            body += data

    def _take(self, size: int) -> bytes | None:
        while len(self._received) < size:
            if not self._receive():
                return None
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _take_line(self) -> bytes | None:
        while (end := self._received.find(b"\r\n")) < 0:
            if not self._receive():
                return None
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        return line

    def _receive(self) -> bool:
        """Wait for more bytes; False when there will be none."""
        try:
            data = self.sock.recv(1 << 16)
        except OSError:  # the idle time is over, or the client has reset the connection
            return False
        self._received += data
        return bool(data)

    def client_left_within(self, seconds: float) -> bool:
        """Wait; True as soon as the client has closed its side, so that nobody is kept waiting for nobody."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            while (remaining := deadline - time.monotonic()) > 0:
                if not selector.select(remaining):
                    continue
                try:
                    data = self.sock.recv(1 << 16)
                except OSError:
                    return True
                if not data:
                    return True
                self._received += data  # the start of a pipelined request
        return False

    def reset(self) -> None:
        """Close with a RST: the client sees ECONNRESET and loses what it has not read."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
