"""Requests over kept connections, with the time each one took."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.benchmarks.load import read_answer


@dataclass(frozen=True)
class Burst:
    """Seconds of each request, and of all; how many were answered 503, because a thread was not free in time."""

    each: list[float]
    whole: float
    refused: int


@dataclass(frozen=True)
class Timed:
    """Two bursts against one server."""

    one_by_one: Burst
    at_once: Burst

    @property
    def single(self) -> float:
        """Seconds of the middle request, one by one."""
        return statistics.median(self.one_by_one.each)

    @property
    def together(self) -> float:
        """Seconds of the whole burst at once."""
        return self.at_once.whole

    @property
    def refused(self) -> int:
        return self.one_by_one.refused + self.at_once.refused


def get(target: str, headers: dict[str, str]) -> bytes:
    """A whole GET request of a path with its query string."""
    lines = [f"GET {target} HTTP/1.1", "Host: benchmark", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def send(url: str, requests: Sequence[bytes], connections: int) -> Burst:
    """Send all over so many connections. Raises AssertionError for an answer that is neither 200 nor 503."""
    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as threads:
        shares = [requests[number::connections] for number in range(connections)]
        answers = [answer for share in threads.map(lambda share: _over_one(url, share), shares) for answer in share]
    whole = time.perf_counter() - began
    return Burst([seconds for seconds, _ in answers], whole, sum(status == 503 for _, status in answers))


def _over_one(url: str, requests: Sequence[bytes]) -> list[tuple[float, int]]:
    """Seconds and status of each, over one connection; a refusal ends it, so the next request opens another."""
    answers = []
    connection = _connected(url)
    for request in requests:
        seconds, status = _exchange(connection, request)
        answers.append((seconds, status))
        if status == 503:
            connection.close()
            connection = _connected(url)
    connection.close()
    return answers


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _exchange(connection: socket.socket, request: bytes) -> tuple[float, int]:
    began = time.perf_counter()
    connection.sendall(request)
    status = read_answer(connection)
    assert status in (200, 503), f"{status} for {request[:300]!r}"
    return time.perf_counter() - began, status
