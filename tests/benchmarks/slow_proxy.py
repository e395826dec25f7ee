"""A TCP proxy in front of PostgreSQL that can make it answer late. In a process of its own.

It holds back what the server says: every answer to a statement leaves `delay` seconds after it came. Setting up a
connection is not delayed, as a database with slow queries takes connections as fast as ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import socket
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, make_url

from tests.waiting import free_port, wait_until

_READY = b"Z\x00\x00\x00\x05I"  # ReadyForQuery: the server has let the client in (PostgreSQL, "Message Formats")


class SlowProxy:
    """`url` leads to the same database through the proxy; `delay` may be set at any time.

    `turns` is how often a client has spoken after the server did: what a distance costs, whatever is sent at once.
    """

    def __init__(self, database_url: str) -> None:
        target = make_url(database_url)
        port = free_port()
        # Without TLS, which would hide from the proxy where an answer ends.
        through = target.set(host="127.0.0.1", port=port, query={"sslmode": "disable"})
        self.url = through.render_as_string(hide_password=False)
        self._port = port
        context = multiprocessing.get_context("fork")
        self._delay = context.Value("d", 0.0, lock=False)
        self._turns = context.Value("Q", 0, lock=False)
        self._process = context.Process(target=_run, args=(target, port, self._delay, self._turns), daemon=True)

    @property
    def delay(self) -> float:
        """Seconds."""
        return float(self._delay.value)

    @delay.setter
    def delay(self, seconds: float) -> None:
        self._delay.value = seconds

    @property
    def turns(self) -> int:
        """Round trips of all connections until now."""
        return int(self._turns.value)

    def start(self) -> None:
        self._process.start()
        wait_until(self._listens, "the proxy to listen")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def slow_proxy(database_url: str) -> Iterator[SlowProxy]:
    """A running proxy to `database_url`."""
    proxy = SlowProxy(database_url)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


# `delay` and `turns` below are the shared numbers: things with a `value`, in seconds and a count.


class _Turns:
    """Whose turn it is on one connection."""

    def __init__(self, count: Any) -> None:
        self._count = count
        self._servers = False  # the server spoke last

    def client(self) -> None:
        if self._servers:
            self._count.value += 1
            self._servers = False

    def server(self) -> None:
        self._servers = True


def _run(target: URL, port: int, delay: Any, count: Any) -> None:
    async def connected(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await _open(target)
        except OSError:
            to_client.close()
            return
        turns = _Turns(count)
        both = _at_once(client, to_server, turns), _late(server, to_client, delay, turns)
        await asyncio.gather(*both, return_exceptions=True)

    async def serve() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", port) as listener:
            await listener.serve_forever()

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    asyncio.run(serve())


async def _open(target: URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the server, by TCP or by its Unix socket."""
    query_host = target.query.get("host")
    host = target.host or (query_host if isinstance(query_host, str) else None) or "127.0.0.1"
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{target.port or 5432}")
    return await asyncio.open_connection(host, target.port or 5432)


async def _at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turns: _Turns) -> None:
    try:
        while data := await reader.read(65_536):
            turns.client()
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def _late(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay: Any,
    turns: _Turns,
) -> None:
    """Pass on in order, each piece when its time has come; reading never waits, so delays do not add up."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        let_in = False
        try:
            while data := await reader.read(65_536):
                pieces.put_nowait((loop.time() + (delay.value if let_in else 0.0), data))
                let_in = let_in or data.endswith(_READY)
        finally:
            pieces.put_nowait((loop.time(), b""))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                return
            turns.server()
            writer.write(data)
            await writer.drain()
    finally:
        reading.cancel()
        writer.close()
