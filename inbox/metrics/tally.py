"""What this process's calls came to since it was last asked: the stuff of the samples that the status page shows."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from inbox.clock import utc_now

#: Upper ends of the classes of time, in seconds; one more class is behind the last.
CLASSES = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0)
PROBES = "_probe"  #: ends the names of calls that only look
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Counted:
    """Calls of one upstream: answered, failed, and how many answers took how long."""

    answers: int = 0
    errors: int = 0
    times: list[int] = field(default_factory=lambda: [0] * (len(CLASSES) + 1))

    def add(self, other: Counted) -> None:
        """Count those of another process or minute as well."""
        self.answers += other.answers
        self.errors += other.errors
        self.times = [mine + theirs for mine, theirs in zip(self.times, other.times, strict=True)]

    def p95(self) -> float | None:
        """Seconds within which 95 of 100 answers came, to the end of a class; None without any."""
        return _within(self.times, 0.95)


@dataclass(frozen=True, slots=True)
class Recent:
    """Calls of one upstream in the last minute, and when one was last answered and last failed."""

    answers: int = 0
    errors: int = 0
    answered_at: datetime | None = None
    failed_at: datetime | None = None


class Tally:
    """Counts calls. Thread-safe."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._counted: dict[str, Counted] = {}
        self._last: dict[str, Recent] = {}
        self._seconds: deque[tuple[datetime, dict[str, Counted]]] = deque()  # of the last minute, where there are calls

    def note(self, upstream: str, seconds: float, *, answered: bool) -> None:
        """A request has ended."""
        if upstream.endswith(PROBES):
            return
        one = Counted(answers=int(answered), errors=int(not answered))
        if answered:
            one.times[bisect_left(CLASSES, seconds)] = 1
        with self._lock:
            now = self._now()
            second = now.replace(microsecond=0)
            self._counted.setdefault(upstream, Counted()).add(one)
            known = self._last.get(upstream, Recent())
            self._last[upstream] = replace(known, answered_at=now) if answered else replace(known, failed_at=now)
            if not self._seconds or self._seconds[-1][0] != second:
                self._forget(now)
                self._seconds.append((second, {}))
            self._seconds[-1][1].setdefault(upstream, Counted()).add(one)

    def recent(self) -> dict[str, Recent]:
        """What the calls of the last minute came to, of every upstream that was ever called."""
        with self._lock:
            self._forget(self._now())
            found = dict(self._last)
            for _, upstreams in self._seconds:
                for name, counted in upstreams.items():
                    known = found[name]
                    answers, errors = known.answers + counted.answers, known.errors + counted.errors
                    found[name] = replace(known, answers=answers, errors=errors)
            return found

    def _forget(self, now: datetime) -> None:
        while self._seconds and self._seconds[0][0] <= now - MINUTE:
            self._seconds.popleft()

    def take(self) -> dict[str, Counted]:
        """All that was counted; counting begins anew."""
        with self._lock:
            taken, self._counted = self._counted, {}
        return taken

    def put_back(self, taken: Mapping[str, Counted]) -> None:
        """It could not be stored: count it in again."""
        with self._lock:
            for upstream, counted in taken.items():
                self._counted.setdefault(upstream, Counted()).add(counted)


tally = Tally()


def _within(times: Sequence[int], share: float) -> float | None:
    wanted, seen = share * sum(times), 0
    if wanted == 0:
        return None
    for end, count in zip((*CLASSES, 2 * CLASSES[-1]), times, strict=True):
        seen += count
        if seen >= wanted:
            return end
    return None
