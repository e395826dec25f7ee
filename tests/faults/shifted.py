"""A wrong wall clock, for this process or for a command: python -m tests.faults.shifted SECONDS MODULE [ARGUMENT …].

time.time and datetime.now are replaced in Python, wherever a module has taken hold of them; the monotonic clock and
the database's are left alone, as they would be.
"""

from __future__ import annotations

import datetime
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_REAL_DATETIME, _REAL_TIME, _REAL_TIME_NS = datetime.datetime, time.time, time.time_ns


class _LooksReal(type):
    """What C code makes is an instance of the real class; nobody may see a difference."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL_DATETIME)


class WallClock:
    """How wrong the clock is, in seconds; it may be changed at any time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        off = self

        class Wrong(_REAL_DATETIME, metaclass=_LooksReal):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> Any:
                return _REAL_DATETIME.fromtimestamp(_REAL_TIME() + off.seconds, tz)

        self.datetime = Wrong

    def time(self) -> float:
        return _REAL_TIME() + self.seconds

    def time_ns(self) -> int:
        return _REAL_TIME_NS() + int(self.seconds * 1e9)

    def replacements(self) -> Iterator[tuple[Any, str, Any, Any]]:
        """Module, name, what stands there now and what shall."""
        wrong: list[tuple[Callable[..., Any], Any]] = [
            (_REAL_TIME, self.time),
            (_REAL_TIME_NS, self.time_ns),
            (_REAL_DATETIME, self.datetime),
        ]
        for module in list(sys.modules.values()):
            if module is None or module.__name__ in (__name__, "threading"):
                continue
            for name, value in list(vars(module).items()):
                for real, fake in wrong:
                    if value is real:
                        yield module, name, real, fake


@contextmanager
def wall_clock(seconds: float = 0.0) -> Iterator[WallClock]:
    """Let the wall clock of this process be wrong for the time of the block."""
    clock = WallClock(seconds)
    replaced = list(clock.replacements())
    for module, name, _, fake in replaced:
        setattr(module, name, fake)
    try:
        yield clock
    finally:
        for module, name, real, _ in replaced:
            setattr(module, name, real)


def main() -> None:
    seconds, module, *arguments = sys.argv[1:]
    with wall_clock(float(seconds)):  # modules that are imported from here on find it wrong
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
