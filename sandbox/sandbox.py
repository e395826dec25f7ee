"""The sandbox: upstreams, a receiver of webhooks, their faults and their records behind one port."""

from collections.abc import Mapping
from typing import Any, Self

from sandbox.control import Control
from sandbox.customers import Customer
from sandbox.faults import FaultBoard
from sandbox.gemini import Gemini, Responder
from sandbox.graph import Graph
from sandbox.inbound import Writing
from sandbox.options import Options
from sandbox.payloads import encode
from sandbox.protocol import Connection, Request, head_of, json_answer
from sandbox.receiver import Receiver
from sandbox.records import Delivery, ReadReceipt, RecordedRequest, Records, WebhookRecord
from sandbox.server import SandboxServer
from sandbox.supabase import Supabase
from sandbox.webhooks import Webhooks
from sandbox.wire import Exchange, Upstream, act


class _Subject:
    """A request, as faults look at it."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def trait(self, name: str) -> str | None:
        values = {"method": self._request.method, "path": self._request.target}
        return values[name] if name in values else self._request.body.decode("utf-8", "replace")

    def recipients(self) -> tuple[str, ...]:
        """The `to` and `recipient` of a message to be sent."""
        try:
            body = self._request.json()
        except ValueError:
            return ()
        if not isinstance(body, Mapping):
            return ()
        return tuple(body[name] for name in ("to", "recipient") if isinstance(body.get(name), str))


class Sandbox:
    """A simulated WhatsApp Cloud API, Gemini API and Supabase Auth on one port, to be used in a `with` statement.

    Below `url` + "/receiver" it takes webhooks of the application, as a customer's own system would.

    The arguments are the fields of `Options`. The base addresses for clients are `url` + "/v26.0" (or another
    version), `url` + "/v1beta" and `url`.
    """

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.records = Records(self.options.record_limit)
        self.faults = FaultBoard(self.options.seed)
        self._webhooks = Webhooks(self.options, self.faults, self.records)
        self.graph = Graph(self.options, self.faults, self.records, self._webhooks)
        self.gemini = Gemini(self.options)
        self.supabase = Supabase(self.options)
        self._upstreams: tuple[Upstream, ...] = (self.graph, self.gemini, self.supabase, Receiver())
        self._control = Control(self)
        self._server: SandboxServer | None = None
        self.url = ""  #: "http://127.0.0.1:PORT", once started

    def start(self) -> Self:
        """Listen and answer. Raises OSError when the port is taken."""
        self._server = SandboxServer(self.options.host, self.options.port, self._respond)
        self.url = f"http://{self.options.host}:{self._server.server_port}"
        self.graph.base_url = self.url
        self.supabase.issuer = f"{self.url}/auth/v1"
        self._webhooks.start()
        self._server.start()
        return self

    def close(self) -> None:
        """End every thread and connection, requests and webhooks under way included."""
        if self._server is not None:
            self._webhooks.close()
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def webhook_url(self) -> str | None:
        return self._webhooks.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self._webhooks.url = url

    @property
    def gemini_responder(self) -> Responder:
        """Writes the model's texts: called with a GeminiRequest, from many threads."""
        return self.gemini.responder

    @gemini_responder.setter
    def gemini_responder(self, responder: Responder) -> None:
        self.gemini.responder = responder

    def fault(self, upstream: str, fault: str, **settings: Any) -> str:
        """Switch a fault on and return its id; see FaultBoard.add. Raises FaultError."""
        return self.faults.add(upstream, fault, **settings)

    def clear_faults(self) -> None:
        self.faults.remove()

    def reset(self) -> None:
        """Forget all that happened: records, faults, customers, media, users, and webhooks that have not left."""
        self.faults.remove()
        self._webhooks.forget()
        self.graph.forget()
        self.supabase.forget()
        self.records.clear()

    def customer_writes(self, phone: str | None = "33600000001", text: str | None = None, **more: Any) -> str:
        """Have a customer write to us and return the wamid; more is the fields of Writing. Raises ValueError."""
        return self.graph.customer_writes(Writing(phone=phone, text=text, **more))

    def customer(self, phone_or_bsuid: str, **settings: Any) -> Customer:
        """The customer with this number or user id, with their settings changed. Raises ValueError."""
        is_bsuid = phone_or_bsuid[:1].isalpha()
        found = self.graph.customers.find(None if is_bsuid else phone_or_bsuid, phone_or_bsuid if is_bsuid else None)
        self.graph.customers.change(found, settings)
        return found

    def set_template_status(self, name: str, language: str, status: str, reason: str = "NONE") -> None:
        """Meta pauses, rejects, approves … a template, and a webhook tells it."""
        self.graph.set_template_status(name, language, status, reason)

    def send_webhook(self, body: bytes | Mapping[str, Any]) -> None:
        """Sign a body of one's own and deliver it like any other; a mapping is encoded as Meta does."""
        self._webhooks.send_body(body if isinstance(body, bytes) else encode(body))

    def deliveries(self) -> list[Delivery]:
        """What customers received, oldest first."""
        return list(self.records.deliveries)

    def requests(self, upstream: str | None = None) -> list[RecordedRequest]:
        """What was asked of an upstream, or of all, oldest first."""
        return [request for request in self.records.requests if upstream in (None, request.upstream)]

    def webhooks(self) -> list[WebhookRecord]:
        return list(self.records.webhooks)

    def reads(self) -> list[ReadReceipt]:
        return list(self.records.reads)

    def _respond(self, connection: Connection, request: Request) -> bool:
        """Answer one request; whether the connection may carry another."""
        first_segment = request.path.split("/", 2)[1]
        upstream = next((each for each in self._upstreams if each.owns(first_segment)), None)
        if upstream is not None:
            return self._exchange(connection, request, upstream)
        if first_segment.startswith("_"):
            answer = self._control.answer(request)
        else:
            answer = json_answer(404, {"error": f"no upstream has the path {request.path}"})
        connection.sock.sendall(head_of(answer, close=not request.keep_alive) + answer.body)
        return request.keep_alive

    def _exchange(self, connection: Connection, request: Request, upstream: Upstream) -> bool:
        record = RecordedRequest(
            upstream=upstream.name,
            method=request.method,
            path=request.target,
            headers=request.headers,
            body=request.body,
            at=self.options.clock(),
            connection=connection.number,
        )
        self.records.requests.add(record)
        exchange = Exchange(connection, request, upstream, record)
        rule = self.faults.pick(upstream.name, _Subject(request))
        try:
            if rule is None:
                exchange.send(exchange.process())
            else:
                act(rule, exchange)
        except OSError:
            exchange.client_has_left()
        return exchange.stays_open
