"""The listening socket: a thread per connection, kept-alive connections, and an end to all of them."""

import itertools
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any

from sandbox.protocol import Answer, Connection, MalformedRequest, Request, head_of

#: Seconds a kept-alive connection may be idle, like the front ends of the real services.
KEEP_ALIVE_SECONDS = 75

#: Answers one request; whether the connection may carry another.
Respond = Callable[[Connection, Request], bool]


class _Handler(socketserver.BaseRequestHandler):
    server: "SandboxServer"

    def handle(self) -> None:
        self.server.serve_connection(self.request)


class SandboxServer(ThreadingHTTPServer):
    """Listens as soon as it is made; `start` answers. Raises OSError when the port is taken."""

    request_queue_size = 1024

    def __init__(self, host: str, port: int, respond: Respond) -> None:
        self._respond = respond
        self._numbers = itertools.count(1)
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self.serve_forever, args=(0.02,), name="sandbox-accept", daemon=True)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without the reverse lookup of HTTPServer, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def start(self) -> None:
        self._acceptor.start()

    def stop(self) -> None:
        """Close every connection and wait for their threads."""
        if self._acceptor.is_alive():
            self.shutdown()
            self._acceptor.join()
        self.server_close()
        with self._lock:
            still_open = dict(self._open)
        for sock in still_open.values():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in still_open:
            thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for the connection, kept track of so that `stop` can end it."""
        arguments = (request, client_address)
        thread = threading.Thread(target=self.process_request_thread, args=arguments, daemon=True)
        with self._lock:
            self._open[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[threading.current_thread()]

    def shutdown_request(self, request: Any) -> None:
        """Only close: a shutdown before would send a FIN where a fault wants a RST."""
        self.close_request(request)

    def serve_connection(self, sock: socket.socket) -> None:
        with suppress(OSError):  # the client has gone
            connection = Connection(sock, next(self._numbers), KEEP_ALIVE_SECONDS)
            try:
                while (request := connection.read_request()) and self._respond(connection, request):
                    pass
            except MalformedRequest as error:
                answer = Answer(error.status, str(error).encode(), "text/plain")
                sock.sendall(head_of(answer, close=True) + answer.body)
