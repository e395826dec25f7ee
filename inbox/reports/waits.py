"""Lengths of waits as counts of buckets, each two per cent wider than the one before: they add up, and are few.

A median or a percentile taken from them is off by one per cent at most; below fifty seconds it is exact to the second.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

_WIDER = 1.02
_BASE = math.log(_WIDER)


def bucket_of(seconds: float) -> int:
    """Where a wait belongs; 0 is up to a second."""
    return 0 if seconds < 1 else 1 + int(math.log(seconds) / _BASE)


def seconds_of(bucket: int) -> int:
    """The middle of a bucket."""
    return 0 if bucket == 0 else round(math.exp((bucket - 0.5) * _BASE))


def percentile(counts: Counter[int], share: float) -> int | None:
    """The shortest wait, in seconds, that `share` of all are not longer than. None: there are none."""
    rank = math.ceil(share * counts.total())
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return seconds_of(bucket)
    return None


def total(each: Iterable[Counter[int]]) -> Counter[int]:
    """All of them together."""
    made: Counter[int] = Counter()
    for counts in each:
        made.update(counts)
    return made
