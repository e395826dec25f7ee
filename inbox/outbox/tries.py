"""What became of attempts to send a message that were not accepted: kept with it, since its job is gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from inbox.clock import rfc3339
from inbox.models import Message
from inbox.outbox.outcomes import Outcome, PauseNumber, RetryLater, Scope, Unknown

_KEPT = 10  # of a message
_UNKNOWN, _PAUSED, _LATER = "unknown", "paused", "later"


@dataclass(frozen=True, slots=True)
class Try:
    """One of them. `pause`: the `Pause` of its number that it led to."""

    attempt: int
    began: datetime
    ended: datetime
    unknown: bool
    pause: str | None


def note(message: Message, outcome: Outcome, now: datetime) -> None:
    """Keep what the newest attempt came to, unless it was accepted or refused, or nothing was tried."""
    match outcome:
        case Unknown():
            words = [_UNKNOWN]
        case PauseNumber(reason):
            words = [_PAUSED, reason]
        case RetryLater(scope=scope) if scope is not Scope.LOCAL:
            words = [_LATER]
        case _:
            return
    times = rfc3339(message.attempted_at or now), rfc3339(now)
    message.tries = [*(message.tries or ()), " ".join([str(message.attempts), *times, *words])][-_KEPT:]


def of(message: Message) -> Iterator[Try]:
    """Oldest first."""
    for line in message.tries or ():
        attempt, began, ended, what, *pause = line.split(" ")
        times = datetime.fromisoformat(began), datetime.fromisoformat(ended)
        yield Try(int(attempt), *times, unknown=what == _UNKNOWN, pause=pause[0] if pause else None)
