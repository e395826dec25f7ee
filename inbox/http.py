"""The one requests.Session, and one exchange over it.

Every call to an upstream leaves through `exchange`. It sends once and sorts the ways it can go wrong by one question:
can the upstream have acted? Repeats, breakers and total deadlines wrap the gateways' functions (`resilience.py`),
not this one.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from inbox.errors import UpstreamOutcomeUnknown, UpstreamUnavailable
from inbox.logs import request_id

log = logging.getLogger(__name__)

POOL_SIZE = 64  # connections kept per host: at least as many as this process has threads that call
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


def _make_session() -> requests.Session:
    """Never changed after this: a header or cookie set later would leak between callers."""
    made = requests.Session()
    made.trust_env = False  # a .netrc would replace our token, a proxy variable our target
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=8, pool_maxsize=POOL_SIZE, pool_block=False, max_retries=RETRY)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    made.headers["User-Agent"] = USER_AGENT
    return made


session = _make_session()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. `data` is the parsed JSON, or None when the body is not JSON."""

    status: int
    headers: Mapping[str, str]
    data: Any


def exchange(
    upstream: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout: tuple[float, float],
    max_bytes: int,
    body: Any = None,
) -> Answer:
    """Send one request, read the whole answer. `timeout` is seconds to connect and between two reads.

    Raises UpstreamUnavailable when no connection was made, and UpstreamOutcomeUnknown when the request may have been
    read but no complete answer of at most `max_bytes` came back.
    """
    started = time.monotonic()
    try:
        with session.request(
            method,
            url,
            json=body,
            headers={**headers, "X-Request-Id": request_id()},
            timeout=timeout,
            stream=True,
            allow_redirects=False,
        ) as response:
            raw = _read(upstream, response, max_bytes)
    except requests.RequestException as error:
        if never_sent(error):
            _log(upstream, method, started, "not sent", error)
            raise UpstreamUnavailable(upstream, type(error).__name__) from error
        _log(upstream, method, started, "outcome unknown", error)
        raise UpstreamOutcomeUnknown(upstream, type(error).__name__) from error
    except HTTPError as error:
        _log(upstream, method, started, "outcome unknown", error)
        raise UpstreamOutcomeUnknown(upstream, type(error).__name__) from error
    _log(upstream, method, started, str(response.status_code), None)
    return Answer(response.status_code, response.headers, _parsed(raw))


def _read(upstream: str, response: requests.Response, max_bytes: int) -> bytes:
    raw = bytearray()
    for chunk in response.iter_content(16_384):
        raw += chunk
        if len(raw) > max_bytes:
            raise UpstreamOutcomeUnknown(upstream, f"the answer is longer than {max_bytes} bytes")
    return bytes(raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header: whole, fractional or an HTTP date. None when absent, past or unreadable."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def never_sent(error: requests.RequestException) -> bool:
    """True when no connection was made, so the upstream cannot have acted.

    requests raises the same ConnectionError for "refused" and for "cut off after the request was read"; only the
    urllib3 reason inside tells them apart.
    """
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, ConnectTimeoutError | NewConnectionError)


def _log(upstream: str, method: str, started: float, outcome: str, error: Exception | None) -> None:
    log.log(
        logging.WARNING if error else logging.INFO,
        "upstream call",
        extra={
            "upstream": upstream,
            "method": method,
            "outcome": outcome,
            "error": type(error).__name__ if error else None,
            "duration_ms": round((time.monotonic() - started) * 1000, 1),
        },
    )
