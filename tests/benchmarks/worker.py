"""What our gunicorn worker costs on the normal path, next to gunicorn's own.

    python -m tests.benchmarks.worker [--requests 4000] [--rounds 15]

The application is a Flask one-liner. Both servers run at once and take turns in bursts, as in `ingest.py`. The
difference is in microseconds per request of one process whose threads share one interpreter lock: processor time, not
waiting. `app` is what gunicorn calls.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from flask import Flask

from tests.benchmarks import load
from tests.e2e.processes import running
from tests.waiting import free_port, wait_until

app = Flask("one-liner")
app.get("/")(lambda: "ok")

OURS, THEIRS = "inbox.server.gunicorn_worker.SheddingWorker", "gthread"


@contextlib.contextmanager
def serving(worker: str, threads: int, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """gunicorn with one process of `worker` class; its address and that process."""
    port = free_port()
    command = ["-m", "gunicorn", "-c", "tests/benchmarks/floor_conf.py", "-k", worker]
    command += ["--bind", f"127.0.0.1:{port}", "tests.benchmarks.worker:app"]
    environment = {"WEB_CONCURRENCY": "1", "WEB_THREADS": str(threads)}
    with running(command, folder / f"{port}.log", environment) as process:

        def listens() -> bool:
            assert process.child.poll() is None, process.output()
            with contextlib.suppress(ConnectionError):
                socket.create_connection(("127.0.0.1", port)).close()
                return bool(psutil.Process(process.child.pid).children())
            return False

        wait_until(listens, "gunicorn")
        (child,) = psutil.Process(process.child.pid).children()
        yield f"http://127.0.0.1:{port}/", child


def burst(url: str, child: psutil.Process, requests: int, connections: int) -> tuple[float, float]:
    """Microseconds of processor time, and of wall time, per request over kept connections."""
    prepared = [load.request_bytes(url, "GET", b"", {})] * requests
    before = child.cpu_times()
    result = load.closed_loop(url, prepared, connections=connections, processes=1)
    after = child.cpu_times()
    assert (result.answered, result.refused) == (requests, 0)
    used = after.user + after.system - before.user - before.system
    return used / requests * 1e6, result.seconds / requests * 1e6


def fresh(url: str, child: psutil.Process, requests: int, _connections: int) -> tuple[float, float]:
    """The same with a connection per request, one after the other."""
    prepared = load.request_bytes(url, "GET", b"", {"Connection": "close"})
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    before, began = child.cpu_times(), time.monotonic()
    for _ in range(requests):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(prepared)
            assert load.read_answer(connection) == 200
    after = child.cpu_times()
    used = after.user + after.system - before.user - before.system
    return used / requests * 1e6, (time.monotonic() - began) / requests * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    print(f"{'microseconds per request, median':44}{'gthread':>9}{'ours':>9}{'difference (middle half)':>30}")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(THEIRS, options.threads, Path(folder)) as theirs,
        serving(OURS, options.threads, Path(folder)) as ours,
    ):
        for name, run, connections in (
            ("1 kept connection", burst, 1),
            ("8 kept connections", burst, 8),
            ("32 kept connections", burst, 32),
            ("a connection per request", fresh, 1),
        ):
            rows = []
            for number in range(options.rounds + 1):  # the first warms up; who begins alternates
                order = [theirs, ours] if number % 2 else [ours, theirs]
                found = {url: run(url, child, options.requests, connections) for url, child in order}
                rows.append((found[theirs[0]], found[ours[0]]))
            for index, what in enumerate(("processor", "wall clock")):
                report(f"{name}, {what}", [(a[index], b[index]) for a, b in rows[1:]])


def report(name: str, rows: list[tuple[float, float]]) -> None:
    low, middle, high = statistics.quantiles([ours - theirs for theirs, ours in rows], n=4)
    theirs, ours = (statistics.median(row[number] for row in rows) for number in (0, 1))
    print(f"{name:44}{theirs:9.0f}{ours:9.0f}{f'{middle:+.0f} ({low:+.0f} to {high:+.0f})':>30}", flush=True)


if __name__ == "__main__":
    main()
