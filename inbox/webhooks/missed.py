"""When this process last turned a webhook away. WhatsApp repeats it some day; until then its news is lost.

Silence about a send means something only if no webhook can have been lost (I7): the reporter tells the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Missed:
    """Remembers the newest moment. Any thread may call it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: float | None = None

    def note(self) -> None:
        """A webhook was refused, or one may have been."""
        self._at = self._clock()

    def ago(self) -> float | None:
        """Seconds since then; None: never."""
        return None if self._at is None else self._clock() - self._at


missed = Missed()
