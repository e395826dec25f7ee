"""A TCP proxy before PostgreSQL that can cut or freeze a connection just where a test wants it."""

from __future__ import annotations

import contextlib
import enum
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import make_url


class Where(enum.Enum):
    """On which side of the marked message the connection breaks."""

    BEFORE = "before"  #: the server never sees it
    AFTER = "after"  #: the server acts on it, the client never sees the answer


class How(enum.Enum):
    CUT = "cut"  #: both ends are told that the connection is closed
    FREEZE = "freeze"  #: nothing moves any more, until thaw()


@dataclass(frozen=True, slots=True)
class _Trap:
    word: bytes
    where: Where
    how: How
    then: Callable[[], None]


class Proxy:
    """Passes everything on, until a client's message holds the word of a trap. Each trap springs once."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sprung = 0  #: how many traps did
        self._traps: list[_Trap] = []
        self._lock = threading.Lock()
        self._thawed = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def trap(
        self,
        word: bytes,
        where: Where,
        how: How = How.CUT,
        *,
        times: int = 1,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Break the next `times` connections over which a client sends `word`; `then` may set the next trap."""
        with self._lock:
            self._traps += [_Trap(word, where, how, then)] * times

    def thaw(self) -> None:
        """Let frozen connections go on."""
        self._thawed.set()

    def close(self) -> None:
        """Close everything and end all threads."""
        self._thawed.set()
        _hang_up(self._listener)
        with self._lock:
            sockets, threads = list(self._sockets), list(self._threads)
        for sock in sockets:
            _hang_up(sock)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive(), thread.name

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="proxy", daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                _hang_up(client)
                continue
            server.settimeout(None)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets += [client, server]
            answers: list[How] = []  # filled when the next answer is not to arrive
            self._start(self._forward, client, server, answers)
            self._start(self._answer, server, client, answers)

    def _forward(self, client: socket.socket, server: socket.socket, answers: list[How]) -> None:
        with _both_closed(client, server):
            while data := client.recv(65536):
                trap = self._springs(data)
                if trap is not None and trap.where is Where.AFTER:
                    answers.append(trap.how)
                elif trap is not None and not self._goes_on(trap.how):
                    return
                server.sendall(data)

    def _answer(self, server: socket.socket, client: socket.socket, answers: list[How]) -> None:
        with _both_closed(client, server):
            while data := server.recv(65536):
                if answers and not self._goes_on(answers.pop()):
                    return
                client.sendall(data)

    def _springs(self, data: bytes) -> _Trap | None:
        with self._lock:
            for trap in self._traps:
                if trap.word in data:
                    self._traps.remove(trap)
                    self.sprung += 1
                    break
            else:
                return None
        trap.then()
        return trap

    def _goes_on(self, how: How) -> bool:
        """False when the connection is to be cut; else wait until it may go on."""
        return how is How.FREEZE and self._thawed.wait(60)


@contextlib.contextmanager
def _both_closed(*sockets: socket.socket) -> Iterator[None]:
    """Whatever ends one direction ends the connection."""
    try:
        with contextlib.suppress(OSError):
            yield
    finally:
        for sock in sockets:
            _hang_up(sock)


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)  # wakes whoever reads from it
    sock.close()


@contextlib.contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the database at `url`, and the address that leads through it."""
    target = make_url(url)
    proxy = Proxy(target.host or "127.0.0.1", target.port or 5432)
    through = target.set(host="127.0.0.1", port=proxy.port).update_query_dict({"sslmode": "disable"})
    try:
        yield proxy, through.render_as_string(hide_password=False)
    finally:
        proxy.close()
