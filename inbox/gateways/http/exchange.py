"""One request and its whole answer.

Every call to an upstream leaves through `exchange`, or through `stream` when its answer is a file. It sends once, keeps
the deadline of `resilience` on every byte, and sorts the ways it can go wrong by one question: can the upstream have
acted? The answer does not stand in the exception (requests raises the same ConnectionError for "refused" and for "cut
off after the request was read"), so the connection notes how far it got.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from inbox.db.clean import JSON, load
from inbox.errors import UpstreamError, UpstreamOutcomeUnknown, UpstreamUnavailable, UpstreamUntrusted
from inbox.gateways.http import sessions
from inbox.gateways.http.sockets import call
from inbox.logs import request_id
from inbox.metrics import meters
from inbox.metrics.tally import tally
from inbox.resilience import Upstream

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. `data` is the parsed JSON, which can be stored; None when the body is not JSON."""

    status: int
    headers: Mapping[str, str]
    data: JSON
    raw: bytes = field(default=b"", repr=False)  #: the body as it came


def exchange(upstream: Upstream, method: str, url: str, *, headers: Mapping[str, str], body: Any = None) -> Answer:
    """Send one request and read the whole answer, within the upstream's limits and the thread's deadline.

    Raises UpstreamUnavailable when nothing was sent, UpstreamUntrusted for a bad certificate, DeadlineExceeded when
    there is no time to begin, and UpstreamOutcomeUnknown when the request may have been read but no complete answer
    of at most `max_bytes` came back.
    """
    upstream.check_time()
    started = time.monotonic()
    limit = upstream.policy.max_bytes
    with watched(upstream.name, method, started), send(upstream, method, url, headers, body) as response:
        raw = _read(response, limit)
    if raw is None:
        failure = UpstreamOutcomeUnknown(upstream.name, f"the answer is longer than {limit} bytes")
        log_call(upstream.name, method, started, failure)
        raise failure
    log_call(upstream.name, method, started, str(response.status_code))
    return Answer(response.status_code, response.headers, _parsed(raw), raw)


def tell(upstream: Upstream, url: str, *, headers: Mapping[str, str], body: bytes, public_only: bool) -> Answer:
    """POST these bytes. The answer's body is not read, whatever it is; its connection is closed. Raises as `exchange`.

    `public_only`: never to an address within a private network.
    """
    upstream.check_time()
    started = time.monotonic()
    with (
        watched(upstream.name, "POST", started),
        send(upstream, "POST", url, headers, body, public_only=public_only) as response,
    ):
        answer = Answer(response.status_code, response.headers, None)
    log_call(upstream.name, "POST", started, str(answer.status))
    return answer


def send(
    upstream: Upstream,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Any = None,
    *,
    public_only: bool = False,
) -> requests.Response:
    """The head of the answer. Its body is still to be read; the caller closes it."""
    policy = upstream.policy
    call.phase, call.read_timeout, call.public_only = "connect", policy.read, public_only
    call.connect_by = time.monotonic() + policy.connect
    return sessions.session.request(
        method,
        url,
        **{"data" if isinstance(body, bytes) or hasattr(body, "read") else "json": body},
        headers={**headers, "X-Request-Id": request_id()},
        timeout=(policy.connect, policy.read),
        stream=True,
        allow_redirects=False,
    )


@contextmanager
def watched(upstream: str, method: str, started: float) -> Iterator[None]:
    """Logs what breaks an exchange, and raises it as the typed error it is."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError) as error:
        failure = _failure(upstream, error)
        log_call(upstream, method, started, failure)
        raise failure from error


def _read(response: requests.Response, max_bytes: int) -> bytes | None:
    """The body, or None when it is too long; the connection is then closed, not emptied."""
    raw = bytearray()
    for chunk in response.iter_content(16_384):
        raw += chunk
        if len(raw) > max_bytes:
            return None
    return bytes(raw)


def _parsed(raw: bytes) -> JSON:
    try:
        return load(raw)
    except (ValueError, RecursionError):
        return None


def _failure(upstream: str, error: Exception) -> UpstreamError:
    """The typed error for an exchange that broke, by how far it got."""
    reason = _innermost(error)
    if call.phase != "connect":
        return UpstreamOutcomeUnknown(upstream, reason, phase=call.phase)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error).upper():
        log.error("certificate refused", extra={"upstream": upstream})
        return UpstreamUntrusted(upstream, "its certificate is not to be trusted", phase="connect")
    return UpstreamUnavailable(upstream, reason, phase="connect")


def _innermost(error: BaseException) -> str:
    """The class name of what really happened, which requests wraps twice."""
    inner = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return type(inner if isinstance(inner, BaseException) else error).__name__


def log_call(upstream: str, method: str, started: float, outcome: str | UpstreamError, **more: Any) -> None:
    """Log one request that left, and count it."""
    took = time.monotonic() - started
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
            "phase": call.phase,
            "duration_ms": round(took * 1000, 1),
            **more,
        },
    )
    known = meters.outcome_of(outcome) if isinstance(outcome, UpstreamError) else f"{outcome[0]}xx"
    meters.ATTEMPTS.labels(upstream, known).inc()
    meters.ATTEMPT_SECONDS.labels(upstream).observe(took)
    tally.note(upstream, took, answered=known in ("2xx", "3xx", "4xx") and outcome != "429")
