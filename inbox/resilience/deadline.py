"""How much time is left: one absolute, monotonic end for everything a thread does for one job or request."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token

_end: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining() -> float | None:
    """Seconds until this thread's deadline (negative when it has passed), or None when there is none."""
    end = _end.get()
    return None if end is None else end - time.monotonic()


def shorten(seconds: float) -> Token[float | None]:
    """Let this thread's deadline be `seconds` from now, unless it is earlier already. For restore()."""
    end = time.monotonic() + seconds
    outer = _end.get()
    return _end.set(end if outer is None else min(outer, end))


def restore(token: Token[float | None]) -> None:
    """Take a shorten() back."""
    _end.reset(token)
