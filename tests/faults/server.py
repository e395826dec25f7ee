"""A server on bare sockets for the faults that the sandbox has no name for, and ports that answer nothing at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from sandbox import Sandbox
from sandbox.protocol import Answer, Connection, Request, chunk, head_of, json_answer
from sandbox.server import SandboxServer
from tests.faults.calls import check_counts
from tests.waiting import wait_until

WAMID = "wamid.FAULTS"
REPLY = "Good morning!"

#: Seconds that stand for "for ever": the client has to leave long before.
EVER = 30.0


class Peer:
    """One connection, as the server sees it. Requests read are noted at the server."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.connection = Connection(sock, number, EVER)
        self.stopping = server.stopping
        self._server = server

    def request(self) -> Request | None:
        """The next request; None when the client has left."""
        request = self.connection.read_request()
        if request is not None:
            self._server.requests.append(request)
        return request

    def drip(self, data: bytes, interval: float = 0.05) -> None:
        """Send byte by byte. Raises ConnectionAbortedError when the client leaves."""
        for number in range(len(data)):
            self.sock.sendall(data[number : number + 1])
            if self.connection.client_left_within(interval):
                raise ConnectionAbortedError

    def pour(self, pieces: Iterable[bytes]) -> int:
        """Send as fast as it goes, until the client leaves or there is no more; the bytes that went."""
        sent = 0
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.sock.sendall(piece)
                sent += len(piece)
        return sent

    def wait_for_the_end(self) -> None:
        """Say nothing until the client leaves."""
        self.connection.client_left_within(EVER)


Serve = Callable[[Peer], None]


class _Listener(SandboxServer):
    """The sandbox's listener, which owns its threads and connections, with TLS and without its HTTP."""

    def __init__(self, take: Callable[[socket.socket], None], host: str, tls: ssl.SSLContext | None) -> None:
        self._take, self._tls = take, tls
        super().__init__(host, 0, lambda _connection, _request: False)

    def get_request(self) -> Any:
        sock, address = super().get_request()
        if self._tls is None:
            return sock, address
        return self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address

    def serve_connection(self, sock: socket.socket) -> None:
        self._take(sock)


class FaultServer:
    """Hands every connection to `serve`, each in a thread of its own; to be used in a `with` statement.

    With `tls` it is `https://localhost`, and `connections` counts those whose handshake failed as well.
    """

    def __init__(self, serve: Serve, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.requests: list[Request] = []
        self._serve = serve
        self.stopping = threading.Event()
        self._failures: list[Exception] = []
        self._lock = threading.Lock()
        self._listener = _Listener(self._take, host, tls)
        self.port = self._listener.server_port
        self.url = f"http://{host}:{self.port}" if tls is None else f"https://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stopping.set()
        self._listener.stop()
        assert self._failures == []
        check_counts(self.requests)

    def _take(self, sock: socket.socket) -> None:
        with self._lock:
            self.connections = number = self.connections + 1
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            self._serve(Peer(self, sock, number))
        except OSError:
            pass  # the client has gone, which is what the tests want to see
        except Exception as error:
            self._failures.append(error)

    def wait_until_left(self) -> None:
        """Wait until every connection is served and closed."""
        wait_until(lambda: not self._listener._open, "the connections to be closed", 5)


# --- what it may do ----------------------------------------------------------------------------------------------


def right_answer(request: Request) -> Answer:
    """A success of the upstream that the path belongs to."""
    if request.path.endswith(":generateContent"):
        candidate = {"content": {"role": "model", "parts": [{"text": REPLY}]}, "finishReason": "STOP"}
        return json_answer(200, {"candidates": [candidate], "modelVersion": "gemini-test"})
    contact = {"input": "+33600000001", "wa_id": "33600000001"}
    return json_answer(200, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": WAMID}]})


def whole(answer: Answer, framing: str = "content_length") -> bytes:
    """The bytes of an answer as one of three framings has them: content_length, chunked or no_length."""
    head = head_of(answer, framing=framing)  # type: ignore[arg-type]
    return head + (chunk(answer.body) + chunk(b"") if framing == "chunked" else answer.body)


def answers(peer: Peer) -> None:
    """Answer every request rightly."""
    while request := peer.request():
        peer.sock.sendall(whole(right_answer(request)))


def silent(peer: Peer) -> None:
    """Read a request and say nothing."""
    peer.request()
    peer.wait_for_the_end()


def behind_tls(sandbox: Sandbox) -> Serve:
    """Everything the sandbox does, faults included; for a server with TLS in front."""

    def serve(peer: Peer) -> None:
        while (request := peer.connection.read_request()) and sandbox._respond(peer.connection, request):
            pass

    return serve


# --- ports that answer nothing at all ----------------------------------------------------------------------------


@contextlib.contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[str, int]]:
    """An address where a SYN gets no answer: the queue of a listener that accepts nobody is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(16):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                yield listener.getsockname()
                return
    raise AssertionError("the queue took 16 connections, and is not full")
