"""A load that does not wait for the server: each request leaves at a time fixed in advance, whatever became of those
before, and its latency counts from that time. In a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

TIMEOUT = 30.0  # seconds a client waits, from the time it meant to ask


@dataclass(frozen=True, slots=True)
class Shot:
    """One request to come, `at` seconds after the start."""

    at: float
    kind: str
    url: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """What became of a shot. `intended` is in Unix seconds, `late` how much after that it left."""

    shot: Shot
    intended: float
    late: float
    seconds: float  #: from the intended time to the end of the answer, or to giving up
    status: int | None  #: None: no answer within TIMEOUT, or a broken one


@contextlib.contextmanager
def firing(shots: Iterable[Shot]) -> Iterator[Callable[[], list[Hit]]]:
    """Send all shots at their times. Yields at once; what it yields waits for the last answer and returns all hits."""
    ordered = sorted(shots, key=lambda shot: shot.at)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_process, args=(ordered, sender), daemon=True)
    process.start()
    sender.close()  # so that recv() fails, instead of waiting for ever, should the process die
    try:
        yield receiver.recv
    finally:
        process.kill()
        process.join()
        receiver.close()


def most_at_once(shots: Sequence[Shot]) -> int:
    """How many shots (in the order of their times) can be under way together."""
    first, most = 0, 1
    for number, shot in enumerate(shots):
        while shot.at - shots[first].at > TIMEOUT:
            first += 1
        most = max(most, number - first + 1)
    return most


def _process(shots: Sequence[Shot], sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    with ThreadPoolExecutor(most_at_once(shots)) as threads:
        wall, start = time.time() + 0.2, time.monotonic() + 0.2
        futures = []
        for shot in shots:
            time.sleep(max(0.0, start + shot.at - time.monotonic()))
            futures.append(threads.submit(_send, shot, start + shot.at, wall + shot.at))
        sender.send([future.result() for future in futures])


def _send(shot: Shot, due: float, intended: float) -> Hit:
    late = time.monotonic() - due
    status = _exchange(shot, due + TIMEOUT)
    return Hit(shot, intended, late, time.monotonic() - due, status)


def _exchange(shot: Shot, until: float) -> int | None:
    """One request over a connection of its own."""
    parts = urlsplit(shot.url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    connection = http.client.HTTPConnection(parts.netloc, timeout=_left(until))
    try:
        connection.request(shot.method, target, shot.body, dict(shot.headers))
        connection.sock.settimeout(_left(until))
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return response.status


def _left(until: float) -> float:
    return max(0.01, until - time.monotonic())


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank); nan for none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan
