"""What an upstream did. What may be repeated, and what a failure says about the upstream, stands on each class."""

from __future__ import annotations

import enum
from typing import Any, ClassVar, Literal

from inbox.errors.base import InboxError


class Verdict(enum.Enum):
    """What the end of a call says about the health of the upstream."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


class UpstreamError(InboxError):
    """A call to an upstream did not give what we asked for.

    Carries fields instead of text to parse: `upstream` is its name, `http_status` is None when no answer came,
    `code` is the upstream's own error code, `retry_after` is seconds or None, `phase` is how far the request got
    (connect, sent, headers). Never holds a URL, a token or a body.
    """

    #: The same call may be made again at once, where repeating changes nothing at the upstream.
    may_repeat: ClassVar[bool] = False
    verdict: ClassVar[Verdict] = Verdict.NEUTRAL

    def __init__(
        self,
        upstream: str,
        reason: str,
        *,
        http_status: int | None = None,
        code: int | str | None = None,
        detail: str | None = None,
        retry_after: float | None = None,
        phase: str | None = None,
    ) -> None:
        super().__init__(f"{upstream}: {reason}")
        self.upstream = upstream
        self.reason = reason
        self.http_status = http_status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.phase = phase

    @property
    def answered(self) -> bool:
        """It got as far as an answer, if only a cut one: what is wrong may be what it was asked about."""
        return self.http_status is not None or self.phase == "headers"

    @property
    def sent(self) -> bool:
        """The request left, answered or not: what is wrong may be what it was about. False: no connection, no call."""
        return self.answered or self.phase == "sent"


class UpstreamUnavailable(UpstreamError):
    """It never received the request, or answered that it did not act on it."""

    may_repeat, verdict = True, Verdict.FAILURE


class UpstreamUntrusted(UpstreamUnavailable):
    """Its certificate is not to be trusted. Never repeated, never downgraded: somebody has to look."""

    may_repeat = False


class UpstreamLocal(UpstreamUnavailable):
    """We did not call: says nothing about the upstream."""

    may_repeat, verdict = False, Verdict.NEUTRAL


class UpstreamBusy(UpstreamLocal):
    """As many calls as we allow are under way already; `retry_after` is when there may be a place."""


class UpstreamOpen(UpstreamLocal):
    """The circuit breaker is open; `retry_after` is when it will let a call through."""


class DeadlineExceeded(UpstreamLocal):
    """Not enough time is left to begin an attempt."""


class UpstreamThrottled(UpstreamUnavailable):
    """It asked us to slow down. `scope` says for whom: "pair" (one customer), "number" or "project"."""

    verdict = Verdict.NEUTRAL

    def __init__(
        self, upstream: str, reason: str, *, scope: Literal["pair", "number", "project"], **fields: Any
    ) -> None:
        super().__init__(upstream, reason, **fields)
        self.scope = scope


class UpstreamMisconfigured(UpstreamUnavailable):
    """It refuses our credentials or set-up (expired token, missing permission): nothing of ours works until fixed.

    It works: an answer so precise is no reason to stop calling for others.
    """

    may_repeat, verdict = False, Verdict.SUCCESS


class UpstreamOutcomeUnknown(UpstreamError):
    """It may have acted: the answer is missing, cut or unreadable. Settled by evidence, never by a blind repeat.

    Only where asking changes nothing at the upstream may the call be made again.
    """

    may_repeat, verdict = True, Verdict.FAILURE


class UpstreamRejected(UpstreamError):
    """It is well and answered no, for this request: never repeat as it is."""

    verdict = Verdict.SUCCESS
