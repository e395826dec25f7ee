"""What the protection costs while nothing is wrong: the guarded call against a plain one, and its parts by themselves.

    python -m tests.benchmarks.overhead [--rounds 300] [--calls 20]

Both calls go to the same small server on loopback, in turns, so that the ratio of a round is of one moment. The plain
one is `session.post(…).json()` of a requests.Session as it comes; the guarded one wears what the gateways wear
(deadline, bulkhead, retry, breaker) around `http.exchange`, which also writes its log line, as in production. Aims:
ratio <= 1.05, no connection opened once it is warm.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import logging
import multiprocessing
import os
import pstats
import selectors
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import requests
from flask import Flask

from inbox import logs
from inbox.bot.profile_cache import ProfileCache
from inbox.config import GEMINI as POLICY
from inbox.config import Config
from inbox.gateways import http
from inbox.gateways.http import sessions
from inbox.resilience import GEMINI, Breaker

BODY = {"contents": [{"role": "user", "parts": [{"text": "Do you have gluten-free bread? " * 8}]}]}
HEADERS = {"x-goog-api-key": "k" * 39}
_CONTENT = b'{"candidates":[{"content":{"parts":[{"text":"' + b"We bake it on Mondays. " * 8 + b'"}]}}]}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_CONTENT) + _CONTENT

# --- the server --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server() -> Iterator[tuple[str, Synchronized[int]]]:
    """A keep-alive server in a process of its own: its address, and how many connections it has taken."""
    context = multiprocessing.get_context("fork")
    opened = context.Value("q", 0)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        process = context.Process(target=_serve, args=(listener, opened), daemon=True)
        process.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1beta/models/m:generateContent", opened
        finally:
            process.terminate()
            process.join(5)


def _serve(listener: socket.socket, opened: Synchronized[int]) -> None:
    """Every connection by one thread: a request is complete when its body is, and is always answered the same."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    received: dict[socket.socket, bytes] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                received[connection] = b""
                opened.value += 1
                continue
            connection = key.fileobj  # type: ignore[assignment]
            data = connection.recv(65_536)
            if not data:
                selector.unregister(connection)
                del received[connection]
                connection.close()
                continue
            received[connection] += data
            if _complete(received[connection]):
                received[connection] = b""
                connection.sendall(_ANSWER)


def _complete(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return bool(end) and len(body) >= length


# --- the two calls -----------------------------------------------------------------------------------------------


@GEMINI.deadline
@GEMINI.bulkhead
@GEMINI.retry
@GEMINI.breaker
def guarded(url: str) -> Any:
    return http.exchange(GEMINI, "POST", url, headers=HEADERS, body=BODY).data


def plain(session: requests.Session, url: str) -> Any:
    return session.post(url, json=BODY, headers=HEADERS, timeout=(POLICY.connect, POLICY.read)).json()


def seconds(call: Callable[[], object], times: int) -> float:
    """Of one call, as the mean of so many."""
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


@dataclass(frozen=True)
class Compared:
    """Seconds per call and of CPU per call, by round, and connections opened by both after the first round."""

    plain: list[tuple[float, float]]
    guarded: list[tuple[float, float]]
    opened: int

    def ratios(self, which: int) -> list[float]:
        """0: of the time that passed, 1: of our CPU."""
        return [ours[which] / theirs[which] for ours, theirs in zip(self.guarded, self.plain, strict=True)]


def compare(rounds: int, calls: int) -> Compared:
    """The first round warms up and is not counted."""
    theirs: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    with server() as (url, opened), requests.Session() as session:
        sides = ((lambda: plain(session, url), theirs), (lambda: guarded(url), ours))
        warm = 0
        for number in range(rounds + 1):
            for call, found in sides if number % 2 else reversed(sides):
                cpu = time.thread_time()
                passed = seconds(call, calls)
                found.append((passed, (time.thread_time() - cpu) / calls))
            warm = warm or opened.value
        return Compared(theirs[1:], ours[1:], opened.value - warm)


def many_at_once(threads: int, calls: int) -> tuple[int, int]:
    """Connections opened by so many threads at once when cold, and by the same again when warm."""
    GEMINI.configure(replace(POLICY, bulkhead=threads), retries=True, breaker=True)
    with server() as (url, opened):
        counts = []
        for _ in range(2):
            before = opened.value
            in_threads(threads, lambda: seconds(lambda: guarded(url), calls))
            counts.append(opened.value - before)
        sessions.session.close()
        GEMINI.configure(POLICY, retries=True, breaker=True)
        return counts[0], counts[1]


# --- the parts ---------------------------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[], object]) -> float:
    """Seconds from the start of the first to the end of the last."""
    start = threading.Barrier(count + 1)

    def run() -> None:
        start.wait()
        work()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def breaker_alone(threads: int, calls: int = 50_000) -> float:
    """Seconds that the breaker adds to a call, all threads together."""
    breaker = Breaker("benchmark", POLICY)

    @breaker
    def nothing() -> None:
        pass

    each = calls // threads
    return in_threads(threads, lambda: seconds(nothing, each)) / (each * threads)


def layers_alone(calls: int = 20_000) -> float:
    """Seconds that deadline, bulkhead, retry and breaker add to a call, together."""

    @GEMINI.deadline
    @GEMINI.bulkhead
    @GEMINI.retry
    @GEMINI.breaker
    def nothing() -> None:
        pass

    return seconds(nothing, calls)


def cache_hit(calls: int = 10_000) -> float:
    """Seconds of a lookup that finds its profile, its log line included."""
    cache = ProfileCache(Flask("benchmark"), Config(env="development"))
    account_id, content = uuid.uuid4(), {"business_name": "Bakery", "knowledge_base": "We bake at night. " * 200}

    def look() -> object:
        return cache.get(account_id, 1, lambda: (1, content))

    look()
    return seconds(look, calls)


# --- the table ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def logging_as_in_production() -> Iterator[None]:
    """JSON at INFO, into the void."""
    with open(os.devnull, "w") as void:
        with contextlib.redirect_stdout(void):
            logs.configure("json", "INFO", ("a-secret-that-is-looked-for-in-every-line",))
        yield
        logs.configure("text", "WARNING")


def quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return low, middle, high


def report(found: Compared, cold: int, warm: int, parts: list[tuple[str, float]]) -> None:
    def shown(values: list[float], digits: int) -> str:
        low, middle, high = quartiles(values)
        return f"{middle:8.{digits}f}{f'({low:.{digits}f} to {high:.{digits}f})':>20}"

    def in_us(calls: list[tuple[float, float]]) -> str:
        return "".join(shown([call[which] * 1e6 for call in calls], 0) for which in (0, 1))

    print(f"{'one thread, median (middle half)':40}{'us per call':>28}{'us of CPU':>28}")
    print(f"{'plain session.post':40}{in_us(found.plain)}")
    print(f"{'guarded call':40}{in_us(found.guarded)}")
    print(f"{'ratio':40}{shown(found.ratios(0), 3)}{shown(found.ratios(1), 3)}   aim <= 1.05")
    print(f"{'connections opened once warm':40}{found.opened:8}   aim 0")
    print(f"{'  by 16 threads at once, cold and warm':40}{cold:8}{warm:8}   aim <= 16, 0")
    print()
    print(f"{'alone':40}{'us per call':>26}")
    for name, value in parts:
        print(f"{name:40}{value * 1e6:8.2f}")


def profile(calls: int) -> None:
    """Where the time of the guarded call goes, by the functions' own time."""
    with server() as (url, _):
        guarded(url)
        profiler = cProfile.Profile()
        profiler.runcall(seconds, lambda: guarded(url), calls)
    out = io.StringIO()
    pstats.Stats(profiler, stream=out).sort_stats("tottime").print_stats(30)
    print(out.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--calls", type=int, default=20, help="of each side in a round")
    parser.add_argument("--profile", action="store_true", help="show where the time of the guarded call goes instead")
    options = parser.parse_args()
    with logging_as_in_production():
        if options.profile:
            profile(options.calls * 10)
            return
        found = compare(options.rounds, options.calls)
        cold, warm = many_at_once(16, options.calls)
        parts = [
            ("breaker, 1 thread", breaker_alone(1)),
            ("breaker, 16 threads", breaker_alone(16)),
            ("deadline, bulkhead, retry, breaker", layers_alone()),
            ("profile cache, hit", cache_hit()),
        ]
    logging.getLogger("inbox.bot").setLevel(logging.WARNING)
    parts.append(("profile cache, hit, without its log line", cache_hit()))
    report(found, cold, warm, parts)


if __name__ == "__main__":
    main()
