"""Of which positions it was told that nothing has changed since: who asks from one may wait for an answer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Iterable
from uuid import UUID

from inbox.errors import DatabaseUnavailable

_ACCOUNTS = 10_000
_POSITIONS = 1_000  # of one account


class Quiet:
    """What was answered with 204, and how its account stood then. Thread-safe.

    `state` tells how an account stands: another value means that there may be something to tell. It may raise
    DatabaseUnavailable.
    """

    def __init__(self, state: Callable[[UUID], Hashable]) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._told: dict[UUID, tuple[Hashable, set[str]]] = {}

    def tell(self, account_id: UUID, state: Hashable, position: str) -> None:
        """Nothing has changed since `position`, as the account stands."""
        with self._lock:
            told = self._told.get(account_id)
            if told is None or told[0] != state or len(told[1]) >= _POSITIONS:
                if len(self._told) >= _ACCOUNTS:
                    self._told.clear()
                told = self._told[account_id] = state, set()
            told[1].add(position)

    def holds(self, account_id: UUID, position: str) -> bool:
        """Whether that was told, and nothing was seen to move since."""
        told = self._told.get(account_id)
        return told is not None and position in told[1]

    def moved(self, account_ids: Iterable[UUID]) -> list[UUID]:
        """Look at these accounts: those that stand otherwise now, or of which it cannot be said."""
        return [account_id for account_id in account_ids if not self._still(account_id)]

    def _still(self, account_id: UUID) -> bool:
        told = self._told.get(account_id)
        with contextlib.suppress(DatabaseUnavailable):  # the answer says so
            if told is not None and told[0] == self._state(account_id):
                return True
        with self._lock:
            self._told.pop(account_id, None)
        return False
