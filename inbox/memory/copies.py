"""What stands in for a profile that cannot be loaded: the newest one of its account that this process has seen.

Per process, because its age must be of a clock that nobody sets, and the monotonic clocks of two machines have nothing
to do with each other.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

STALE_LIMIT = 3600.0  # seconds since this process last knew a profile to be the current one
RETRY_AFTER = 5.0  # seconds between tries to load while a copy stands in
NO_CONTENT = "{}"  # the text of a profile that does not exist


@dataclass(frozen=True, slots=True)
class Copy:
    """A profile as JSON text, which nobody can change by accident. Times are of the monotonic clock."""

    version: int
    text: str
    current_at: float  #: when it was last known to be the current one
    retry_at: float = 0.0  #: not before then is loading tried again


class Copies:
    """One copy per account, of at most `limit` accounts. Thread-safe."""

    def __init__(self, clock: Callable[[], float], limit: int) -> None:
        self.generation = 0  #: goes up when everything is forgotten
        self._clock = clock
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[UUID, Copy] = OrderedDict()  # the longest unused first

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget everything, also what is being loaded just now."""
        with self._lock:
            self.generation += 1
            self._kept.clear()

    def keep(self, account_id: UUID, version: int, text: str, *, generation: int) -> None:
        """`version` is the current one, as far as somebody knew who began in `generation`.

        The older version of a slower thread does not replace a newer one.
        """
        with self._lock:
            kept = self._recent(account_id)
            if generation != self.generation or (kept is not None and kept.version > version):
                return
            self._kept[account_id] = Copy(version, text, self._clock())
            self._kept.move_to_end(account_id)
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)

    def usable(self, account_id: UUID, version: int) -> Copy | None:
        """What may stand in for `version`: itself, or an older one that says something.

        "There is no profile" does not stand in for a first profile: better no answer yet than one that knows nothing.
        Nor does a newer version, which only a database put back to an earlier day can leave us with for long.
        """
        with self._lock:
            kept = self._recent(account_id)
        if kept is None or kept.version > version:
            return None
        return kept if kept.version == version or kept.text != NO_CONTENT else None

    def rest(self, account_id: UUID, version: int) -> Copy | None:
        """As usable(), when loading has failed: for a while, the copy is resting()."""
        copy = self.usable(account_id, version)
        with self._lock:
            if copy is not None and self._kept.get(account_id) is copy:
                self._kept[account_id] = replace(copy, retry_at=self._clock() + RETRY_AFTER)
        return copy

    def resting(self, copy: Copy) -> bool:
        """True while it is to be used without trying to load."""
        return self._clock() < copy.retry_at

    def _recent(self, account_id: UUID) -> Copy | None:
        kept = self._kept.get(account_id)
        if kept is not None and self._clock() - kept.current_at > STALE_LIMIT:
            del self._kept[account_id]
            return None
        return kept
