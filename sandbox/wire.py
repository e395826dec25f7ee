"""How faults act on the wire: each on the bytes of one exchange."""

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from sandbox.faults import Rule
from sandbox.protocol import Answer, Connection, Framing, Request, chunk, head_of, json_answer
from sandbox.records import RecordedRequest

_HTML = b"<!DOCTYPE html><html><head><title>Sandbox</title></head><body><h1>Something else</h1></body></html>"
_PIECE = b" " * (1 << 16)

_WRONG_SHAPES: Mapping[str, Any] = {"list": [], "object": {"ok": True}, "string": "OK", "null": None}


log = logging.getLogger(__name__)


class Upstream(Protocol):
    """One of the simulated services."""

    name: str

    def owns(self, first_segment: str) -> bool:
        """Whether paths that start with this segment are the service's."""

    def answer(self, request: Request) -> Answer:
        """Do what is asked."""

    def error_answer(self, status: int) -> Answer:
        """An error of this status in the service's own shape."""

    def faulty_answer(
        self, fault: str, params: Mapping[str, Any], request: Request, answer: Answer | None, /
    ) -> Answer:
        """The answer of a fault only this service has; answer is the right one, if the request was processed."""

    def latency(self, request: Request, /) -> float:
        """Seconds it takes, faults apart."""


class Exchange:
    """One request on one connection, and the ways to answer it. `stays_open`: whether another may follow."""

    def __init__(self, connection: Connection, request: Request, upstream: Upstream, record: RecordedRequest) -> None:
        self.connection = connection
        self.request = request
        self.upstream = upstream
        self.record = record
        self.stays_open = request.keep_alive
        self._client_left = False

    def process(self) -> Answer:
        """Have the upstream do what was asked."""
        if seconds := self.upstream.latency(self.request):
            self.wait(seconds)
        self.record.processed = True
        try:
            answer = self.upstream.answer(self.request)
        except Exception:
            log.exception("the sandbox failed on %s %s", self.request.method, self.request.path)
            answer = self.upstream.error_answer(500)
        self.record.note = answer.note
        return answer

    def send(self, answer: Answer) -> None:
        if self._client_left:
            raise ConnectionAbortedError
        self.answers(answer.status)
        self.connection.sock.sendall(head_of(answer, close=not self.stays_open) + answer.body)

    def answers(self, status: int) -> None:
        """Record it; before anything is sent, so that whoever has the answer finds it in the record."""
        self.record.status, self.record.outcome = status, "answered"

    def client_has_left(self) -> None:
        self.stays_open = False
        self.record.status, self.record.outcome = None, "client left"

    def close(self, outcome: str) -> None:
        """End the connection here; the client sees its end (FIN)."""
        self.stays_open = False
        self.record.outcome = outcome

    def wait(self, seconds: float) -> bool:
        """Whether the client is still there after so long; False as soon as it is not."""
        self._client_left = self._client_left or self.connection.client_left_within(seconds)
        return not self._client_left


def act(rule: Rule, exchange: Exchange) -> None:
    """Answer, or do not, as the fault says. Raises OSError when the client has left."""
    exchange.record.fault = rule.fault
    ACTIONS[rule.fault](exchange, rule.params)


def _hang(exchange: Exchange, params: Mapping[str, Any]) -> None:
    exchange.wait(params["seconds"])
    exchange.close("no answer")


def _slow(exchange: Exchange, params: Mapping[str, Any]) -> None:
    exchange.wait(params["seconds"])
    exchange.send(exchange.process())


def _late(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer = exchange.process()
    exchange.wait(params["seconds"])
    exchange.send(answer)


def _drip_headers(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer, framing = exchange.process(), params["framing"]
    exchange.answers(answer.status)
    head = head_of(answer, framing=framing, close=not exchange.stays_open)
    _drip(exchange, _bytes_of(head), params["interval"])
    exchange.connection.sock.sendall(chunk(answer.body) if framing == "chunked" else answer.body)
    _finish(exchange, framing)


def _drip_body(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer, framing = exchange.process(), params["framing"]
    exchange.answers(answer.status)
    exchange.connection.sock.sendall(head_of(answer, framing=framing, close=not exchange.stays_open))
    pieces = _bytes_of(answer.body)
    _drip(exchange, map(chunk, pieces) if framing == "chunked" else pieces, params["interval"])
    _finish(exchange, framing)


def _bytes_of(data: bytes) -> Iterator[bytes]:
    return (data[number : number + 1] for number in range(len(data)))


def _drip(exchange: Exchange, pieces: Iterable[bytes], interval: float) -> None:
    for piece in pieces:
        exchange.connection.sock.sendall(piece)
        if not exchange.wait(interval):
            raise ConnectionAbortedError


def _finish(exchange: Exchange, framing: Framing) -> None:
    """Mark the end of a body that was sent piece by piece."""
    if framing == "chunked":
        exchange.connection.sock.sendall(chunk(b""))
    exchange.stays_open = exchange.stays_open and framing != "no_length"


def _status(exchange: Exchange, params: Mapping[str, Any]) -> None:
    if params["process"]:
        exchange.process()
    answer = exchange.upstream.error_answer(params["code"])
    if params["body"] != "json":
        body = _HTML if params["body"] == "html" else b""
        answer = Answer(params["code"], body, "text/html; charset=UTF-8")
    if params["retry_after"] is not None:
        answer = replace(answer, headers=(*answer.headers, ("Retry-After", params["retry_after"])))
    exchange.send(answer)


def _retry_after(exchange: Exchange, params: Mapping[str, Any]) -> None:
    _status(exchange, {**params, "body": "json", "retry_after": params["value"]})


def _reset_before(exchange: Exchange, _params: Mapping[str, Any]) -> None:
    exchange.close("reset")
    exchange.connection.reset()


def _close_after(exchange: Exchange, _params: Mapping[str, Any]) -> None:
    exchange.process()
    exchange.close("no answer")


def _reset_after(exchange: Exchange, _params: Mapping[str, Any]) -> None:
    exchange.process()
    _reset_before(exchange, {})


def _cut_headers(exchange: Exchange, _params: Mapping[str, Any]) -> None:
    head = head_of(exchange.process())
    status_line = head.index(b"\r\n") + 2
    exchange.close("cut")
    exchange.connection.sock.sendall(head[: status_line + (len(head) - status_line) // 2])


def _cut_body(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer, framing = exchange.process(), params["framing"]
    half = answer.body[: len(answer.body) // 2]
    body = chunk(half) if framing == "chunked" else half
    exchange.answers(answer.status)
    exchange.close("cut")
    exchange.connection.sock.sendall(head_of(answer, framing=framing) + body)


def _instead(make: Callable[[Answer, Mapping[str, Any]], Answer]) -> Callable[[Exchange, Mapping[str, Any]], None]:
    """Answer 200 with something else than the right answer, processed or not."""

    def action(exchange: Exchange, params: Mapping[str, Any]) -> None:
        right = exchange.process() if params["process"] else Answer(200, b'{"sandbox":"not processed"}')
        exchange.send(make(right, params))

    return action


def _of_the_upstream(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer = exchange.process() if params.get("process") else None
    fault = exchange.record.fault or ""
    exchange.send(exchange.upstream.faulty_answer(fault, params, exchange.request, answer))


def _big_body(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer = exchange.process()
    size = max(params["bytes"], len(answer.body))
    exchange.stays_open = False
    exchange.answers(answer.status)
    exchange.connection.sock.sendall(head_of(answer, close=True, length=size) + answer.body)
    for piece in _blanks(size - len(answer.body)):
        exchange.connection.sock.sendall(piece)


def _gzip_bomb(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer = exchange.process()
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = [packer.compress(answer.body)]
    packed += [packer.compress(piece) for piece in _blanks(params["bytes"] - len(answer.body))]
    body = b"".join([*packed, packer.flush()])
    exchange.send(replace(answer, body=body, headers=(*answer.headers, ("Content-Encoding", "gzip"))))


def _blanks(size: int) -> Iterator[bytes]:
    while size > 0:
        yield _PIECE[:size]
        size -= len(_PIECE)


def _redirect(exchange: Exchange, params: Mapping[str, Any]) -> None:
    exchange.send(Answer(params["code"], b"", "text/html", (("Location", params["location"]),)))


def _set_cookie(exchange: Exchange, params: Mapping[str, Any]) -> None:
    answer = exchange.process()
    exchange.send(replace(answer, headers=(*answer.headers, ("Set-Cookie", params["value"]))))


def _close_idle(exchange: Exchange, params: Mapping[str, Any]) -> None:
    exchange.send(exchange.process())
    exchange.connection.close_when_idle_for(params["ms"] / 1000)


ACTIONS: Mapping[str, Callable[[Exchange, Mapping[str, Any]], None]] = {
    "hang": _hang,
    "slow": _slow,
    "late": _late,
    "drip_headers": _drip_headers,
    "drip_body": _drip_body,
    "status": _status,
    "retry_after": _retry_after,
    "reset_before": _reset_before,
    "close_after": _close_after,
    "reset_after": _reset_after,
    "cut_headers": _cut_headers,
    "cut_body": _cut_body,
    "empty_200": _instead(lambda _right, _params: Answer(200, b"")),
    "html_200": _instead(lambda _right, _params: Answer(200, _HTML, "text/html; charset=UTF-8")),
    "wrong_json": _instead(lambda right, _params: Answer(200, right.body[: len(right.body) // 2])),
    "wrong_shape": _instead(lambda _right, params: json_answer(200, _WRONG_SHAPES[params["shape"]])),
    "no_id_200": _of_the_upstream,
    "big_body": _big_body,
    "gzip_bomb": _gzip_bomb,
    "redirect": _redirect,
    "set_cookie": _set_cookie,
    "close_idle": _close_idle,
    "graph_error": _of_the_upstream,
    "auth_error": _of_the_upstream,
    "shape": _of_the_upstream,
}
