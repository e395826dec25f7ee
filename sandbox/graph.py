"""The WhatsApp Cloud API ("Graph") as far as a team inbox uses it.

Source: Meta, "Cloud API > Reference" (Messages, Media, Phone numbers, Subscribed apps, Message templates).
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.customers import Customer, CustomerBook, calling_code_of, same_recipient
from sandbox.faults import FaultBoard
from sandbox.graph_checks import only, require, text
from sandbox.graph_errors import GraphError, answer_of_status, error_answer
from sandbox.graph_limits import NumberRate, PairRate
from sandbox.graph_media import PATH as MEDIA_PATH
from sandbox.graph_media import MediaStore, Medium, read_upload
from sandbox.graph_messages import Outgoing, read_message, read_phone
from sandbox.graph_templates import TemplateBook, file_ids
from sandbox.graph_tokens import USER_ID, check_token, debug
from sandbox.inbound import Inbound, Writing
from sandbox.options import DEFAULT_DISPLAY_NUMBER, DEFAULT_PHONE_NUMBER_ID, Options
from sandbox.payloads import BusinessNumber
from sandbox.protocol import Answer, Request, json_answer
from sandbox.receipts import Accepted, Receipts
from sandbox.records import Delivery, ReadReceipt, Records
from sandbox.wamids import Wamids, new_wamid
from sandbox.webhooks import Webhooks

_VERSION = re.compile(r"v\d+\.\d+")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_WINDOW_SECONDS = 24 * 3600

_SUCCESS = {"success": True}


class Graph:
    """Answers the requests under /v26.0 (any version), and keeps what they change."""

    name = "whatsapp"

    def __init__(self, options: Options, faults: FaultBoard, records: Records, webhooks: Webhooks) -> None:
        self._options = options
        self._records = records
        self._webhooks = webhooks
        self._receipts = Receipts(options, faults, webhooks)
        self._wamids = Wamids(options.record_limit)
        self._number_rate = NumberRate()
        self._pair_rate = PairRate()
        self._media = MediaStore()
        self._templates = TemplateBook()
        self.customers = CustomerBook()
        self._inbound = Inbound(options, self.customers, self._wamids, self._media)
        self.base_url = ""  #: of this sandbox, for the addresses of media
        self._routes: Mapping[tuple[str, str], Callable[[str, Request], Answer]] = {
            ("POST", "messages"): self._post_message,
            ("POST", "media"): self._upload,
            ("GET", ""): self._get_object,
            ("DELETE", ""): self._delete_medium,
            ("GET", "subscribed_apps"): self._subscribed_apps,
            ("POST", "subscribed_apps"): self._subscribe,
            ("DELETE", "subscribed_apps"): self._subscribe,
            ("GET", "phone_numbers"): self._phone_numbers,
            ("GET", "message_templates"): self._message_templates,
        }

    @staticmethod
    def owns(first_segment: str) -> bool:
        """Whether a path that starts with this segment is one of Graph's, or an address of a medium."""
        return first_segment == "whatsapp_business" or _VERSION.fullmatch(first_segment) is not None

    def latency(self, _request: Request) -> float:
        return 0.0

    def forget(self) -> None:
        """Back to the start: no customers, media or ids, and no limit used up."""
        for each in (self.customers, self._media, self._templates, self._wamids, self._number_rate, self._pair_rate):
            each.clear()
        self._webhooks.subscribed = True

    def customer_writes(self, writing: Writing) -> str:
        """Have a customer write; the wamid. Raises ValueError for what no customer can write."""
        first = next(iter(self._options.numbers or [DEFAULT_PHONE_NUMBER_ID]))
        try:
            number = self._number(writing.phone_number_id or first)
        except GraphError as error:
            raise ValueError(error.details) from error
        update = self._inbound.write(writing, number, self.base_url)
        self._number_rate.take(number.id, self._options.clock())
        self._webhooks.send(update)
        return str(update.messages[0]["id"])

    def set_template_status(self, name: str, language: str, status: str, reason: str = "NONE") -> None:
        """Have Meta pause, reject, approve … a template, and tell it. Raises ValueError."""
        value = self._templates.set_status(name, language, status, reason)
        change = {"field": "message_template_status_update", "value": value}
        entry = {"id": self._options.waba_id, "time": int(self._options.clock()), "changes": [change]}
        self._webhooks.send_body(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())

    def answer(self, request: Request) -> Answer:
        try:
            check_token(request, self._options)
            if request.path == MEDIA_PATH:
                return self._download(request)
            _, _, node, edge = (request.path.rstrip("/") + "///").split("/", 3)
            route = self._routes.get((request.method, edge.rstrip("/")))
            if route is None:
                raise GraphError(2500, f"Unknown path components: {request.method} {request.path}")
            return route(node, request)
        except GraphError as error:
            return error_answer(error)

    def error_answer(self, status: int) -> Answer:
        return answer_of_status(status)

    def faulty_answer(self, fault: str, params: Mapping[str, Any], _request: Request, answer: Answer | None) -> Answer:
        """Of graph_error and no_id_200; answer is the right one, where the request was processed."""
        if fault == "graph_error":
            return error_answer(GraphError(params["code"], "Sandbox: asked for"), params["status"])
        body = json.loads(answer.body) if answer and answer.status == 200 else {"messaging_product": "whatsapp"}
        return json_answer(200, body | {"messages": [{}]})

    def _number(self, number_id: str) -> BusinessNumber:
        numbers = self._options.numbers
        if numbers is not None and number_id in numbers:
            return BusinessNumber(number_id, numbers[number_id])
        if numbers is not None or not number_id.isdecimal():
            raise GraphError(33, f"Object with ID '{number_id}' does not exist or cannot be loaded")
        if number_id == DEFAULT_PHONE_NUMBER_ID:
            return BusinessNumber(number_id, DEFAULT_DISPLAY_NUMBER)
        return BusinessNumber(number_id, f"337{zlib.crc32(number_id.encode()) % 10**8:08d}")

    def _check_waba(self, waba_id: str) -> None:
        if self._options.numbers is not None and waba_id != self._options.waba_id:
            raise GraphError(33, f"Object with ID '{waba_id}' does not exist or cannot be loaded")

    def _post_message(self, number_id: str, request: Request) -> Answer:
        number = self._number(number_id)
        try:
            body = request.json()
        except ValueError:
            raise GraphError(100, "The request body is not JSON") from None
        if isinstance(body, dict) and "status" in body:
            return self._mark_read(number, body)
        message = read_message(body)
        if message.type == "template":
            self._templates.check(message.content)
        named = file_ids(message.content) if message.type == "template" else [message.media_id]
        if any(media_id and self._medium(media_id, number.id) is None for media_id in named):
            raise GraphError(100, f"Param {message.type}['id'] is not a valid media attachment ID")
        customer = self._recipient(message, number)
        self._check_window(message, customer, number)
        self._check_limits(customer, number)
        wamid = self._accept(message, customer, number)
        name, value = ("wa_id", customer.phone) if message.to else ("user_id", customer.bsuid)
        contact = {"input": message.to or message.bsuid, name: value}
        sent = {"id": wamid} | ({"message_status": "accepted"} if message.type == "template" else {})
        return json_answer(200, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]})

    def _recipient(self, message: Outgoing, number: BusinessNumber) -> Customer:
        """Whom the message goes to; a `to` wins over a `recipient` ("Business-scoped user IDs")."""
        if message.to is not None:
            prefix = calling_code_of(number.display) if self._options.country_code_prefix else ""
            phone = read_phone(message.to, prefix)
            if same_recipient(phone, number.display):
                raise GraphError(131021, "The sender and the recipient are the same number")
            return self.customers.find(phone)
        if message.bsuid is None:
            raise GraphError(131008, "The parameter to is required")
        if not _USER_ID.fullmatch(message.bsuid):
            raise GraphError(131009, f"The parameter recipient is not a user id: {message.bsuid!r}")
        return self.customers.find(None, message.bsuid)

    def _check_window(self, message: Outgoing, customer: Customer, number: BusinessNumber) -> None:
        if not self._options.enforce_window or message.type == "template":
            return
        last = customer.last_wrote.get(number.id)
        if last is None or self._options.clock() - last > _WINDOW_SECONDS:
            raise GraphError(131047, "More than 24 hours have passed since the customer last replied")

    def _check_limits(self, customer: Customer, number: BusinessNumber) -> None:
        if not self._options.enforce_limits:
            return
        now = self._options.clock()
        if not self._pair_rate.take(number.id, customer.bsuid, now):
            raise GraphError(131056, "Too many messages from this number to this customer")
        if not self._number_rate.take(number.id, now):
            raise GraphError(130429, "Too many messages from this number")

    def _accept(self, message: Outgoing, customer: Customer, number: BusinessNumber) -> str:
        """Take the message: its delivery, its statuses, its wamid."""
        is_reaction = message.type == "reaction"
        fails_with = customer.fails_with
        if is_reaction and self._wamids.kind_of(message.content["message_id"]) not in ("customer", "business"):
            fails_with = 131009
        wamid = new_wamid(customer.phone or customer.bsuid)
        self._wamids.add(wamid, "reaction" if is_reaction else "business")
        if fails_with is None and customer.delivers:
            text = self._templates.text_of(message.content) if message.type == "template" else message.text
            self._records.deliveries.add(_delivery(message, text, wamid, customer, number, self._options.clock()))
        accepted = Accepted(
            wamid=wamid,
            number=number,
            customer=customer,
            shows_phone=message.to is not None or (customer.phone is not None and not customer.hides_phone),
            callback_data=message.callback_data,
            price_category=self._templates.category_of(message.content) if message.type == "template" else "service",
            is_reaction=is_reaction,
            fails_with=fails_with,
        )
        self._receipts.follow(accepted)
        return wamid

    def _mark_read(self, number: BusinessNumber, body: dict[str, Any]) -> Answer:
        """A read receipt, or a typing indicator, which is one as well (Meta, "Typing indicators")."""
        only(body, {"messaging_product", "status", "message_id", "typing_indicator"}, "status")
        require(body, "messaging_product")
        if body["status"] != "read":
            raise GraphError(131009, 'The parameter status must be "read"')
        wamid = text(body, "message_id", 1, 512)
        typing = body.get("typing_indicator")
        if typing is not None and typing != {"type": "text"}:
            raise GraphError(131009, 'The parameter typing_indicator must be {"type": "text"}')
        if self._wamids.kind_of(wamid) not in ("customer", "reaction"):
            raise GraphError(131009, "The parameter message_id is not the id of a message received")
        now = self._options.clock()
        self._records.reads.add(ReadReceipt(wamid=wamid, phone_number_id=number.id, typing=typing is not None, at=now))
        return json_answer(200, _SUCCESS)

    def _medium(self, medium_id: str, number_id: str | None) -> Medium | None:
        medium = self._media.get(medium_id)
        return medium if medium and number_id in (None, medium.number_id) else None

    def _upload(self, number_id: str, request: Request) -> Answer:
        number = self._number(number_id)
        return json_answer(200, {"id": self._media.add(*read_upload(request), number.id).id})

    def _download(self, request: Request) -> Answer:
        medium = self._media.at_address(request.query, self._options.clock())
        if medium is None:
            return Answer(404, b"URL not found", "text/plain")
        return Answer(200, medium.data, medium.mime_type)

    def _get_object(self, node: str, request: Request) -> Answer:
        """A medium, the account, or one of its numbers: Graph ids do not tell which. Or a token, or its user."""
        if node == "debug_token":
            return json_answer(200, debug(request, self._options))
        if node == "me":
            return json_answer(200, {"id": USER_ID})
        medium = self._medium(node, request.query.get("phone_number_id"))
        if medium is not None:
            return json_answer(
                200,
                {
                    "messaging_product": "whatsapp",
                    "url": self._media.address(medium, self.base_url, self._options.clock(), "getMedia"),
                    "mime_type": medium.mime_type,
                    "sha256": medium.sha256.hex(),
                    "file_size": len(medium.data),
                    "id": medium.id,
                },
            )
        if node == self._options.waba_id:
            return json_answer(200, {"id": node, "name": "Sandbox", "currency": "EUR", "timezone_id": "1"})
        fields = request.query.get("fields", "verified_name,display_phone_number,quality_rating,platform_type")
        return json_answer(200, _number_fields(self._number(node), fields))

    def _delete_medium(self, node: str, request: Request) -> Answer:
        if self._medium(node, request.query.get("phone_number_id")) is None:
            raise GraphError(33, f"Object with ID '{node}' does not exist or cannot be loaded")
        self._media.delete(node)
        return json_answer(200, _SUCCESS)

    def _subscribe(self, waba_id: str, request: Request) -> Answer:
        self._check_waba(waba_id)
        self._webhooks.subscribed = request.method == "POST"
        return json_answer(200, _SUCCESS)

    def _subscribed_apps(self, waba_id: str, _request: Request) -> Answer:
        self._check_waba(waba_id)
        app = {"id": self._options.app_id, "name": "Inbox", "link": "https://example.com"}
        rows = [{"whatsapp_business_api_data": app}] if self._webhooks.subscribed else []
        return json_answer(200, {"data": rows})

    def _phone_numbers(self, waba_id: str, request: Request) -> Answer:
        self._check_waba(waba_id)
        fields = request.query.get("fields", "verified_name,display_phone_number,quality_rating,platform_type")
        ids = self._options.numbers or [DEFAULT_PHONE_NUMBER_ID]
        return json_answer(200, {"data": [_number_fields(self._number(each), fields) for each in ids]})

    def _message_templates(self, waba_id: str, request: Request) -> Answer:
        self._check_waba(waba_id)
        return json_answer(200, self._templates.page(request.query, self.base_url + request.path))


def _delivery(
    message: Outgoing, text: str | None, wamid: str, customer: Customer, number: BusinessNumber, at: float
) -> Delivery:
    return Delivery(
        wamid=wamid,
        phone=customer.phone,
        bsuid=customer.bsuid,
        type=message.type,
        text=text,
        content=message.content,
        callback_data=message.callback_data,
        phone_number_id=number.id,
        context=message.context,
        at=at,
    )


def _number_fields(number: BusinessNumber, fields: str) -> dict[str, Any]:
    """The asked-for fields of a business number, and its id; fields Graph has and this does not are left out."""
    known = {
        "verified_name": "Sandbox",
        "display_phone_number": f"+{number.display}",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "code_verification_status": "VERIFIED",
        "name_status": "APPROVED",
        "status": "CONNECTED",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
    }
    return {name: known[name] for name in fields.split(",") if name in known} | {"id": number.id}
