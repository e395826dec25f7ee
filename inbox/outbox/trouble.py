"""Numbers whose sends fail, as this process sees it: each of them slows itself, and nobody else (I12).

What several numbers or the whole of WhatsApp cannot do is the circuit's business; what one customer's sends run into is
their lane's. In between stands the number: when sends to different customers fail and none succeeds, it gets a single
place and longer and longer pauses. A send that succeeds ends it.

Until that is known its sends may hold every place. When all have been held for a while, one more is there for numbers
that hold none.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

LONGEST = 60.0  # seconds between two tries of a number whose every send fails
#: Where WhatsApp does not even answer. With one number alone the circuit opens, and this is over before it closes.
LONGEST_SILENT = 10.0
HANGS = 1.0  # seconds after which a send takes longer than they do


@dataclass(slots=True)
class _Failing:
    """Since its last success. `times`: failures from the second conversation on."""

    conversations: set[UUID] = field(default_factory=set)
    times: int = 0


class Trouble:
    """Of all numbers. Any thread may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._failing: dict[UUID, _Failing] = {}
        self._under_way: Counter[UUID] = Counter()
        self._held = 0  # places
        self._moved = 0.0  # when one was last taken or given back

    def begin(self, account_id: UUID, *, spare: bool = False) -> None:
        """A send of this number is claimed, for a place or the spare one."""
        with self._lock:
            self._under_way[account_id] += 1
            self._move(0 if spare else 1)

    def end(self, account_id: UUID, *, spare: bool = False) -> None:
        """It is over."""
        with self._lock:
            self._under_way[account_id] -= 1
            if self._under_way[account_id] <= 0:
                del self._under_way[account_id]
            self._move(0 if spare else -1)

    def _move(self, places: int) -> None:
        if places:
            self._held += places
            self._moved = self._clock()

    def hangs_in(self, places: int) -> float | None:
        """Seconds until all these places have been held for too long, 0.0 from then on; None while one is free."""
        with self._lock:
            return max(0.0, self._moved + HANGS - self._clock()) if self._held >= places else None

    def others(self) -> dict[UUID, int]:
        """As `most`, for the spare place: nothing of those who hold a place or are in trouble."""
        with self._lock:
            return dict.fromkeys({*self._under_way, *filter(self._is_troubled, self._failing)}, 0)

    def failed(self, account_id: UUID, conversation_id: UUID, *, answered: bool) -> float | None:
        """Note a failure. Seconds for which the number should rest: 2, 4 … 60, or … 10 where there was no answer.

        None while it is one conversation's.
        """
        with self._lock:
            failing = self._failing.setdefault(account_id, _Failing())
            if len(failing.conversations) < 2:
                failing.conversations.add(conversation_id)
            if len(failing.conversations) < 2:
                return None
            failing.times += 1
            return min(LONGEST if answered else LONGEST_SILENT, 2.0 ** min(failing.times, 10))

    def succeeded(self, account_id: UUID) -> None:
        """WhatsApp took a send of this number, or refused that one message: the number works."""
        with self._lock:
            self._failing.pop(account_id, None)

    def is_troubled(self, account_id: UUID) -> bool:
        """True when it may have only one send under way."""
        with self._lock:
            return self._is_troubled(account_id)

    def _is_troubled(self, account_id: UUID) -> bool:
        return len(self._failing.get(account_id, _Failing()).conversations) > 1

    def most(self) -> dict[UUID, int]:
        """How many sends each of those in trouble may begin now; any other number may begin as many as there are."""
        with self._lock:
            return {key: max(0, 1 - self._under_way[key]) for key in self._failing if self._is_troubled(key)}
