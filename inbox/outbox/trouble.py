"""Numbers whose sends fail, as this process sees it: each of them slows itself, and nobody else (I12).

What several numbers or the whole of WhatsApp cannot do is the circuit's business; what one customer's sends run into is
their lane's. In between stands the number: when sends to different customers fail and none succeeds, it gets a single
place and, where WhatsApp answers with errors, longer and longer pauses. A send that succeeds ends it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

LONGEST = 60.0  # seconds between two tries of a number whose every send fails


@dataclass(slots=True)
class _Failing:
    """Since its last success. `answered`: failures that WhatsApp told us, from the second conversation on."""

    conversations: set[UUID] = field(default_factory=set)
    answered: int = 0


class Trouble:
    """Of all numbers. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing: dict[UUID, _Failing] = {}
        self._under_way: Counter[UUID] = Counter()

    def begin(self, account_id: UUID) -> None:
        """A send of this number is claimed."""
        with self._lock:
            self._under_way[account_id] += 1

    def end(self, account_id: UUID) -> None:
        """It is over."""
        with self._lock:
            self._under_way[account_id] -= 1
            if self._under_way[account_id] <= 0:
                del self._under_way[account_id]

    def failed(self, account_id: UUID, conversation_id: UUID, *, answered: bool) -> float | None:
        """Note a failure. Seconds for which the number should rest: 2, 4 … 60; None while it is one conversation's."""
        with self._lock:
            failing = self._failing.setdefault(account_id, _Failing())
            if len(failing.conversations) < 2:
                failing.conversations.add(conversation_id)
            if not answered or len(failing.conversations) < 2:
                return None
            failing.answered += 1
            return min(LONGEST, 2.0 ** min(failing.answered, 10))

    def succeeded(self, account_id: UUID) -> None:
        """WhatsApp took a send of this number, or refused that one message: the number works."""
        with self._lock:
            self._failing.pop(account_id, None)

    def places(self, accounts: Collection[UUID]) -> dict[UUID, int | None]:
        """How many sends each may begin now, None for any number. Those that work come first: a probe is for them."""
        with self._lock:
            troubled = {key for key in accounts if len(self._failing.get(key, _Failing()).conversations) > 1}
            order = sorted(accounts, key=lambda key: key in troubled)
            return {key: max(0, 1 - self._under_way[key]) if key in troubled else None for key in order}
