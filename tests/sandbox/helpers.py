"""What the tests of the sandbox share: a raw client, an application to send webhooks to, and a bounded wait."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from sandbox import Sandbox
from sandbox.protocol import Answer, Connection, Request, head_of
from sandbox.server import SandboxServer

NUMBER_ID = "200000000000001"
OUR_NUMBER = "33700000000"
CAMILLE = "33600000001"

T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds: float = 5.0) -> T:
    """The first true value of the condition; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.002)
    return value


def send(sandbox: Sandbox, to: str = f"+{CAMILLE}", *, number_id: str = NUMBER_ID, **body: Any) -> requests.Response:
    """POST a message, a text unless the body says otherwise; None takes a key out."""
    whole = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "Bonjour"}} | body
    kept = {key: value for key, value in whole.items() if value is not None}
    return graph(sandbox, "POST", f"{number_id}/messages", json=kept)


def graph(sandbox: Sandbox, method: str, path: str, **more: Any) -> requests.Response:
    headers = {"Authorization": "Bearer token"} | more.pop("headers", {})
    return requests.request(method, f"{sandbox.url}/v26.0/{path}", headers=headers, timeout=10, **more)


def generate(
    sandbox: Sandbox, *turns: str, model: str = "gemini-3.5-flash-lite", version: str = "v1beta", **body: Any
) -> requests.Response:
    """generateContent; turns are the user's and the model's by turns, the user's first."""
    contents = [{"role": "model" if n % 2 else "user", "parts": [{"text": text}]} for n, text in enumerate(turns)]
    return requests.post(
        f"{sandbox.url}/{version}/models/{model}:generateContent",
        json={"contents": contents} | body,
        headers={"x-goog-api-key": "key"},
        timeout=10,
    )


def text_of(response: requests.Response) -> str:
    return "".join(part["text"] for part in response.json()["candidates"][0]["content"]["parts"])


def auth(sandbox: Sandbox, token: str | None = None, **headers: str) -> requests.Response:
    """GET /auth/v1/user."""
    bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return requests.get(
        f"{sandbox.url}/auth/v1/user", headers={"apikey": "sb_publishable_test", **bearer, **headers}, timeout=10
    )


def message_bytes(to: str = f"+{CAMILLE}", text: str = "Bonjour", target: str | None = None) -> bytes:
    """A whole request that sends a message, for a bare socket."""
    body = json.dumps({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}}).encode()
    head = (
        f"POST {target or f'/v26.0/{NUMBER_ID}/messages'} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer token\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def connected(sandbox: Sandbox) -> Iterator[socket.socket]:
    """A bare connection to the sandbox."""
    parts = urlsplit(sandbox.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as sock:
        yield sock


def read_to_end(sock: socket.socket) -> bytes:
    """Everything up to the other side's end of the connection."""
    received = b""
    while data := sock.recv(1 << 16):
        received += data
    return received


def read_answer(sock: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of one answer with a Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(sock)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(sock)
    return head, body


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 16)
    assert data, "the connection ended inside an answer"
    return data


class Application:
    """Stands for the application: takes webhooks, remembers them, and answers what `answers` says, else 200."""

    def __init__(self) -> None:
        self.received: list[Request] = []
        self.answers: list[int] = []
        self.connections: dict[int, Connection] = {}
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server = SandboxServer("127.0.0.1", 0, self._respond)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook/whatsapp?from=meta"

    def __enter__(self) -> "Application":
        self._server.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.may_answer.set()
        self._server.stop()

    def _respond(self, connection: Connection, request: Request) -> bool:
        self.connections[connection.number] = connection
        status = self.answers.pop(0) if self.answers else 200
        self.received.append(request)
        self.may_answer.wait(10)
        connection.sock.sendall(head_of(Answer(status, b"{}")) + b"{}")
        return True

    def drop_connections(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for connection in self.connections.values():
            connection.sock.shutdown(socket.SHUT_RDWR)

    def payloads(self) -> list[dict[str, Any]]:
        return [request.json() for request in list(self.received)]

    def values(self) -> list[dict[str, Any]]:
        """The `value` of every change received."""
        return [change["value"] for payload in self.payloads() for change in payload["entry"][0]["changes"]]

    def statuses(self) -> list[dict[str, Any]]:
        return [status for value in self.values() for status in value.get("statuses", [])]

    def messages(self) -> list[dict[str, Any]]:
        return [message for value in self.values() for message in value.get("messages", [])]


def keys_of(value: Any) -> Any:
    """The structure of a JSON value: its keys, down to the leaves."""
    if isinstance(value, Mapping):
        return {key: keys_of(each) for key, each in value.items()}
    if isinstance(value, list):
        return [keys_of(each) for each in value]
    return None
