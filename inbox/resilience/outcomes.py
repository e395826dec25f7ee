"""What can become of a call, and what that means: for repeating it, and for what we think of the upstream."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from inbox.errors import (
    UpstreamLocal,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
    UpstreamUntrusted,
)


class OutcomeClass(enum.Enum):
    """What an exchange that gave no usable answer means, whichever upstream it was."""

    NOT_SENT = "not_sent"  #: no connection: it cannot have acted
    TRUST = "trust"  #: its certificate is not to be trusted
    THROTTLED = "throttled"  #: it asked us to wait
    REJECTED = "rejected"  #: it is well, and said no
    SERVER = "server"  #: it said that it failed, and that it did nothing
    AMBIGUOUS = "ambiguous"  #: it may have acted
    LOCAL = "local"  #: we did not call (busy, no time, circuit open), or the bug is ours


class Verdict(enum.Enum):
    """What an outcome says about the health of the upstream."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Rule:
    """`repeat`: the same call may be made again at once, where repeating changes nothing at the upstream."""

    repeat: bool
    breaker: Verdict


#: The one table. What the outbox does with each class stands in `outbox.deliver`.
RULES = {
    OutcomeClass.NOT_SENT: Rule(repeat=True, breaker=Verdict.FAILURE),
    OutcomeClass.TRUST: Rule(repeat=False, breaker=Verdict.FAILURE),
    OutcomeClass.THROTTLED: Rule(repeat=True, breaker=Verdict.NEUTRAL),
    OutcomeClass.REJECTED: Rule(repeat=False, breaker=Verdict.SUCCESS),
    OutcomeClass.SERVER: Rule(repeat=True, breaker=Verdict.FAILURE),
    OutcomeClass.AMBIGUOUS: Rule(repeat=True, breaker=Verdict.FAILURE),
    OutcomeClass.LOCAL: Rule(repeat=False, breaker=Verdict.NEUTRAL),
}


def classify(error: BaseException) -> OutcomeClass:
    """The class of an error that a gateway raised; LOCAL for anything that is no UpstreamError."""
    match error:
        case UpstreamLocal():
            return OutcomeClass.LOCAL
        case UpstreamUntrusted():
            return OutcomeClass.TRUST
        case UpstreamThrottled():
            return OutcomeClass.THROTTLED
        case UpstreamRejected() | UpstreamMisconfigured():
            return OutcomeClass.REJECTED
        case UpstreamOutcomeUnknown():
            return OutcomeClass.AMBIGUOUS
        case UpstreamUnavailable():
            return OutcomeClass.NOT_SENT if error.http_status is None else OutcomeClass.SERVER
    return OutcomeClass.LOCAL


def verdict(error: BaseException) -> Verdict:
    """What an error says about the health of an upstream: what its breaker goes by."""
    return RULES[classify(error)].breaker
