"""A load generator that costs little: prepared requests over raw keep-alive sockets, in processes of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Result:
    """What a run did. `seconds` is from the first request sent to the last answer read."""

    answered: int
    refused: int  #: answers that are not 2xx
    seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


def request_bytes(url: str, method: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A whole HTTP/1.1 request."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def closed_loop(url: str, requests: Sequence[bytes], *, connections: int, processes: int = 2) -> Result:
    """Send all `requests`, each once, over `connections` connections that never pause."""
    context = multiprocessing.get_context("fork")
    results: multiprocessing.SimpleQueue[tuple[int, int, float, float]] = context.SimpleQueue()
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    shares = [requests[number::processes] for number in range(processes)]
    workers = [
        context.Process(target=_process, args=(address, share, max(1, connections // processes), results))
        for share in shares
    ]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    began, ended = min(row[2] for row in found), max(row[3] for row in found)
    return Result(sum(row[0] for row in found), sum(row[1] for row in found), ended - began)


def _process(address, requests, connections, results) -> None:  # type: ignore[no-untyped-def]
    counts = [[0, 0] for _ in range(connections)]
    threads = [
        threading.Thread(target=_connection, args=(address, requests[number::connections], counts[number]))
        for number in range(connections)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((sum(c[0] for c in counts), sum(c[1] for c in counts), began, time.monotonic()))


def _connection(address, requests, counts) -> None:  # type: ignore[no-untyped-def]
    with socket.create_connection(address, timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            connection.sendall(request)
            status = read_answer(connection)
            counts[0] += 1
            counts[1] += not 200 <= status < 300


def read_answer(connection: socket.socket) -> int:
    """Read one whole answer; its status. Raises ConnectionError when it is cut."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        chunk = connection.recv(65_536)
        if not chunk:
            raise ConnectionError("the answer was cut")
        data += chunk
    head = data[:end].lower()
    mark = head.find(b"content-length:")
    length = int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
    missing = length - (len(data) - end - 4)
    while missing > 0:
        chunk = connection.recv(65_536)
        if not chunk:
            raise ConnectionError("the answer was cut")
        missing -= len(chunk)
    return int(data[9:12])


@contextlib.contextmanager
def beside(work: Callable[[], None], every: float) -> Iterator[None]:
    """Do it again and again while the block runs."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every):
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)
