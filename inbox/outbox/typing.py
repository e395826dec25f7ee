"""The sign that somebody is writing, with which a customer's question turns blue: shown at once or not at all.

It is worth nothing later, so it is kept in memory instead of the outbox, and never repeated.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

_MOST = 100  # signs that wait; then the oldest is dropped
_GOOD_FOR = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class TypingSign:
    """One sign: whose number shows it, and under which message of the customer."""

    account_id: UUID
    phone_number_id: str
    access_token_encrypted: str
    wa_message_id: str
    since: float = field(default_factory=time.monotonic)


class TypingSigns:
    """Those that are to be shown. `ring` wakes who shows them. Thread-safe."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._waiting: deque[TypingSign] = deque(maxlen=_MOST)

    def show(self, sign: TypingSign) -> None:
        """Have it shown soon."""
        with self._lock:
            self._waiting.append(sign)
        self._ring()

    def take(self, count: int) -> list[TypingSign]:
        """The newest `count`: they are what customers wait for. Old ones are forgotten."""
        with self._lock:
            while self._waiting and time.monotonic() - self._waiting[0].since > _GOOD_FOR:
                self._waiting.popleft()
            return [self._waiting.pop() for _ in range(min(count, len(self._waiting)))]
