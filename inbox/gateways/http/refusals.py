"""What an answer means by its HTTP status alone: what holds for every upstream.

A gateway looks at its upstream's own error codes first, and comes here with what is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from inbox.errors import (
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)


def refusal(
    upstream: str,
    status: int,
    headers: Mapping[str, str],
    *,
    scope: Literal["number", "project"],
    acts: bool = False,
    words: str | None = None,
    **fields: Any,
) -> UpstreamError:
    """The typed error for a `status` that is not the one hoped for.

    `scope` is whom a 429 slows down. `acts`: the request was to change something, so that a failure at the other side
    leaves open whether it did. `words` are for people, in the place of the status; `fields` go with the error.
    """
    reason = words or f"HTTP {status}"
    fields = {"http_status": status, "retry_after": retry_after(headers)} | fields
    if status == 429:
        return UpstreamThrottled(upstream, "too many requests", scope=scope, **fields)
    if status in (401, 403):
        return UpstreamMisconfigured(upstream, reason, **fields)
    if 400 <= status < 500 and status != 408:
        return UpstreamRejected(upstream, reason, **fields)
    return (UpstreamOutcomeUnknown if acts else UpstreamUnavailable)(upstream, f"HTTP {status}", **fields)


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
