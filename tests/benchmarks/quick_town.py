"""WhatsApp, Gemini, customers and agents in one process that costs little: what a benchmark of speed is played against.

The sandbox knows every rule of the upstreams; at hundreds of requests a second it would take the machine from what is
measured. This one knows two answers. Customers write at a steady pace whatever becomes of it, each send is followed by
three statuses in webhooks of their own, and agents poll GET /changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import quote, urlsplit

from tests.builders import signed, text_message, webhook
from tests.waiting import free_port, wait_until

STATUSES = (("sent", 0.2), ("delivered", 0.6), ("read", 1.2))  # seconds after WhatsApp took the message
CONNECTIONS = 32  # kept ones, to the web process
_PHONE = 33610000000
_HEAD = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_QUESTION, _ANSWER = re.compile(rb"Question (\d+)"), re.compile(rb"Answer (\d+)")
_CALLBACK = re.compile(rb'"biz_opaque_callback_data": *"([^"]*)"')


def phone(number: int) -> str:
    """Of the customer who asks this question: with the same number, modulo how many there are."""
    return str(_PHONE + number)


def question(number: int) -> str:
    return f"Question {number}: do you have bread today?"


@dataclass(frozen=True)
class Latencies:
    """Seconds that the upstreams take."""

    model: float = 0.8
    whatsapp: float = 0.15


@dataclass(frozen=True)
class Round:
    """So many customers a second write for so long. Questions are counted on from `first`."""

    first: int
    rate: float
    seconds: float
    polls: float = 0.0  #: of agents, a second
    patience: float = 60.0  #: seconds to wait for the last answer

    @property
    def last(self) -> int:
        """The number after the last question's."""
        return self.first + round(self.rate * self.seconds)


@dataclass
class Played:
    """What became of a round. Times are in seconds from its start."""

    acknowledged: list[float] = field(default_factory=list)  #: how long each webhook took, from when it was due
    asked: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)  #: when the answer reached WhatsApp
    refused: Counter[int] = field(default_factory=Counter)  #: webhooks, by the status of the answer
    polled: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0  #: until the last answer's last status, or until patience ended

    @property
    def waited(self) -> list[float]:
        """From each question to its answer."""
        return [at - self.asked[number] for number, at in self.answered.items() if number in self.asked]


@dataclass(frozen=True)
class Agents:
    """Who polls."""

    key: str
    account_id: str


class QuickTown:
    """Runs beside the benchmark; `url` is where the upstreams are."""

    def __init__(self, web_url: str, secret: str, latencies: Latencies, customers: int) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        arguments = (port, theirs, _Sender(web_url, secret), latencies, customers)
        self._process = context.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        wait_until(lambda: self._pipe.poll() and self._pipe.recv(), "the upstreams to listen")

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def play(self, wanted: Round, agents: Agents | None = None) -> Played:
        """A whole round."""
        self._pipe.send((wanted, agents))
        played: Played = self._pipe.recv()
        return played

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


@contextlib.contextmanager
def quick_town(web_url: str, secret: str, latencies: Latencies, customers: int) -> Iterator[QuickTown]:
    """A running town, whose webhooks go to `web_url`."""
    town = QuickTown(web_url, secret, latencies, customers)
    try:
        yield town
    finally:
        town.stop()


# --- in its process ----------------------------------------------------------------------------------------------


def _run(port: int, pipe: Connection, sender: _Sender, latencies: Latencies, customers: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer

    async def live() -> None:
        town = _Town(sender, latencies, customers)
        async with await asyncio.start_server(town.serve, "127.0.0.1", port, backlog=512):
            pipe.send(True)
            loop = asyncio.get_running_loop()
            while True:
                wanted, agents = await loop.run_in_executor(None, pipe.recv)
                pipe.send(await town.play(wanted, agents))

    asyncio.run(live())


class _Sender:
    """Requests to the web process over kept connections."""

    def __init__(self, url: str, secret: str) -> None:
        self._secret = secret
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._places: asyncio.Semaphore | None = None

    async def webhook(self, body: bytes) -> int:
        """Deliver it; the status of the answer."""
        return (await self.ask("POST", "/webhook/whatsapp", body, signed(body, self._secret)))[0]

    async def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer; (0, b"") for none."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        self._places = self._places or asyncio.Semaphore(CONNECTIONS)
        async with self._places:
            try:
                reader, writer = (
                    self._free.pop() if self._free else await asyncio.open_connection(self._host, self._port)
                )
                writer.write(request)
                head, answer = await _read(reader)
            except (OSError, asyncio.IncompleteReadError):
                return 0, b""
            if b"connection: close" in head.lower():
                writer.close()
            else:
                self._free.append((reader, writer))
            return int(head[9:12]), answer


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Head and body of one message."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _HEAD.search(head)
    return head, await reader.readexactly(int(length[1])) if length else b""


class _Town:
    def __init__(self, sender: _Sender, latencies: Latencies, customers: int) -> None:
        self._sender = sender
        self._latencies = latencies
        self._customers = customers
        self._played = Played()
        self._began = 0.0
        self._sent = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._statuses = 0  # still to be delivered

    # --- upstreams

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the application's."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head, body = await _read(reader)
                status, answer = await self._answer(head.split(b" ", 2)[1], body)
                raw = json.dumps(answer).encode()
                lines = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
                writer.write(lines.encode() + raw)
        writer.close()

    async def _answer(self, path: bytes, body: bytes) -> tuple[int, Any]:
        if path.endswith(b":generateContent"):
            await asyncio.sleep(self._latencies.model)
            return 200, _generated(body)
        if not path.endswith(b"/messages"):
            return 404, {"error": {"message": "unknown here", "code": 100}}
        found, callback = _ANSWER.findall(body), _CALLBACK.search(body)
        if found:
            self._played.answered.setdefault(int(found[-1]), self._now())
        await asyncio.sleep(self._latencies.whatsapp)
        if callback is None:  # a read receipt
            return 200, {"success": True}
        self._sent += 1
        wa_id = f"wamid.town.{time.time_ns()}.{self._sent}"
        self._do(self._follow(wa_id, callback[1].decode()))
        return 200, {"messaging_product": "whatsapp", "messages": [{"id": wa_id}]}

    async def _follow(self, wa_id: str, callback: str) -> None:
        self._statuses += 1
        waited = 0.0
        for kind, after in STATUSES:
            await asyncio.sleep(after - waited)
            waited = after
            entry = {"id": wa_id, "status": kind, "timestamp": str(int(time.time())), "recipient_id": phone(0)}
            await self._deliver(webhook(statuses=[entry | {"biz_opaque_callback_data": callback}]), self._now())
        self._statuses -= 1

    # --- people

    async def play(self, wanted: Round, agents: Agents | None) -> Played:
        played = self._played = Played()
        self._began = time.monotonic()
        polling = [asyncio.create_task(self._poll(agents, number)) for number in range(round(wanted.polls)) if agents]
        for number in range(wanted.first, wanted.last):
            due = (number - wanted.first) / wanted.rate
            await asyncio.sleep(max(0.0, due - self._now()))
            played.asked[number] = due
            self._do(self._ask(number, due))
        until = self._now() + wanted.patience
        while self._now() < until and (self._statuses or len(played.answered) < len(played.asked)):
            await asyncio.sleep(0.05)
        for task in polling:
            task.cancel()
        played.seconds = self._now()
        return played

    async def _ask(self, number: int, due: float) -> None:
        whom = phone(number % self._customers)
        message = text_message(question(number), wa_id=f"wamid.q.{number}", phone=whom, at=int(time.time()))
        await self._deliver(
            webhook(contacts=[{"wa_id": whom, "profile": {"name": "Camille"}}], messages=[message]), due
        )

    async def _deliver(self, body: bytes, due: float) -> None:
        """As Meta does: again until it was taken."""
        played = self._played
        while (status := await self._sender.webhook(body)) != 200:
            played.refused[status] += 1
            await asyncio.sleep(1.0)
        played.acknowledged.append(self._now() - due)

    async def _poll(self, agents: Agents, number: int) -> None:
        """One of the agents: a look each second."""
        headers = {"Authorization": f"Bearer {agents.key}"}
        since = ""
        await asyncio.sleep(number * 0.05 % 1)
        while True:
            path = f"/changes?account_id={agents.account_id}" + (f"&since={quote(since)}" if since else "")
            status, body = await self._sender.ask("GET", path, b"", headers)
            self._played.polled[status] += 1
            if status == 200:
                since = json.loads(body)["next"]
            await asyncio.sleep(1.0)

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _now(self) -> float:
        return time.monotonic() - self._began


def _generated(body: bytes) -> Any:
    """The model's answer to the last question in the request."""
    asked = _QUESTION.findall(body)
    text = f"Answer {asked[-1].decode()}: yes, until seven." if asked else "Yes."
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
        "usageMetadata": {"totalTokenCount": 200},
        "modelVersion": "gemini-3.5-flash-lite",
    }
