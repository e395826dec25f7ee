"""What a process holds, noted every few seconds by its reporter: a scrape of several workers asks one of them."""

from __future__ import annotations

import os
import threading
import time

from inbox.metrics import meters

_PAGE = os.sysconf("SC_PAGE_SIZE")
_counted = 0.0  # processor seconds of this process that are counted already


def note(in_use: int, size: int) -> None:
    """Note the connections of the pool that are in use, of `size`, and what the system knows of this process."""
    global _counted
    meters.POOL.labels("in_use").set(in_use)
    meters.POOL.labels("size").set(size)
    meters.HELD.labels("threads").set(threading.active_count())
    meters.HELD.labels("bytes").set(_resident())
    meters.HELD.labels("files").set(_files())
    used = time.process_time()
    meters.CPU.inc(max(0.0, used - _counted))
    _counted = used


def _resident() -> int:
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except OSError:  # not Linux
        return 0


def _files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
