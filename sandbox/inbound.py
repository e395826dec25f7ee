"""Customers' messages: from a few settings to the entry of messages[] that Meta would send."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.customers import Customer, CustomerBook
from sandbox.graph_errors import error_details
from sandbox.graph_media import MediaStore
from sandbox.options import Options
from sandbox.payloads import JSON, BusinessNumber, Update, contact_of, message_of
from sandbox.wamids import Wamids, new_wamid

#: Type → the mime type of a file nobody described, and such a file.
_MEDIA: Mapping[str, tuple[str, bytes]] = {
    "image": ("image/png", base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )),
    "audio": ("audio/ogg; codecs=opus", b"OggS\x00\x02 sandbox voice note"),
    "video": ("video/mp4", b"\x00\x00\x00\x18ftypmp42 sandbox video"),
    "document": ("application/pdf", b"%PDF-1.4\n% sandbox document\n%%EOF\n"),
    "sticker": ("image/webp", b"RIFF\x1a\x00\x00\x00WEBPVP8L sandbox"),
}  # fmt: skip

TYPES = (
    *_MEDIA, "text", "location", "contacts", "reaction", "button", "button_reply", "list_reply", "unsupported",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What a customer writes. `content` is the object under the type's name; what it lacks is made up."""

    phone: str | None = None
    bsuid: str | None = None
    text: str | None = None
    type: str = "text"
    content: Any = None
    """Dictionary, of `contacts` a list. For button_reply and list_reply: id, title, description; for unsupported:
    type, code."""
    media: bytes | None = None
    context: str | None = None  #: the wamid it answers
    forwarded: bool = False
    name: str | None = None
    username: str | None = None
    hides_phone: bool | None = None
    phone_number_id: str | None = None
    timestamp: int | None = None  #: Unix seconds, when it was written; now if None
    wamid: str | None = None  #: to have the same message come again

    @classmethod
    def from_json(cls, body: Any) -> "Writing":
        """From the body of `POST /_customers/messages`, with the file in `media_base64`; raises ValueError."""
        if not isinstance(body, Mapping):
            raise ValueError("a message is a JSON object")
        known = {*cls.__slots__, "media_base64"} - {"media"}
        if unknown := sorted(set(body) - known):
            raise ValueError(f"unknown {', '.join(unknown)}; there is {', '.join(sorted(known))}")
        values = {name: value for name, value in body.items() if name != "media_base64"}
        if "media_base64" in body:
            values["media"] = base64.b64decode(str(body["media_base64"]), validate=True)
        return cls(**values)


class Inbound:
    """Makes the updates of customers' messages, and remembers when each of them last wrote."""

    def __init__(self, options: Options, customers: CustomerBook, wamids: Wamids, media: MediaStore) -> None:
        self._options = options
        self._customers = customers
        self._wamids = wamids
        self._media = media
        self._makers: Mapping[str, Callable[[Any], JSON]] = {
            "location": _location,
            "contacts": _contacts,
            "reaction": _reaction,
            "button": lambda content: {"payload": "YES", "text": "Yes"} | (content or {}),
        }

    def write(self, writing: Writing, number: BusinessNumber, base_url: str) -> Update:
        """The update for a customer's message. Raises ValueError for what no customer can write."""
        if writing.type not in TYPES:
            raise ValueError(f"unknown type {writing.type}; there is {', '.join(TYPES)}")
        customer = self._customer(writing)
        now = self._options.clock()
        timestamp = int(now) if writing.timestamp is None else writing.timestamp
        content = self._content(writing, number, base_url, now)
        wamid = writing.wamid or new_wamid(customer.phone or customer.bsuid)
        self._wamids.add(wamid, "reaction" if writing.type == "reaction" else "customer")
        context = self._context(writing, customer, number)
        customer.last_wrote[number.id] = max(customer.last_wrote.get(number.id, 0.0), timestamp)
        shows_phone = customer.phone is not None and not customer.hides_phone
        return Update(
            number=number,
            customer=customer,
            contacts=(contact_of(customer, shows_phone=shows_phone),),
            messages=(message_of(customer, wamid, timestamp, content, context),),
        )

    def _customer(self, writing: Writing) -> Customer:
        if not writing.phone and not writing.bsuid:
            raise ValueError("a phone or a bsuid says who writes")
        customer = self._customers.find(writing.phone, writing.bsuid)
        given = {name: getattr(writing, name) for name in ("name", "username", "hides_phone")}
        self._customers.change(customer, {name: value for name, value in given.items() if value is not None})
        return customer

    def _context(self, writing: Writing, customer: Customer, number: BusinessNumber) -> JSON | None:
        if writing.forwarded:
            return {"forwarded": True}
        if writing.context is None:
            return None
        own = self._wamids.kind_of(writing.context) == "customer"
        return {"from": customer.phone or customer.bsuid if own else number.display, "id": writing.context}

    def _content(self, writing: Writing, number: BusinessNumber, base_url: str, now: float) -> JSON:
        kind, content = writing.type, writing.content
        if kind == "text":
            return {"type": "text", "text": {"body": writing.text or ""}}
        if kind in ("button_reply", "list_reply"):
            reply = {"id": "option-1", "title": "Option 1"} | (content or {})
            return {"type": "interactive", "interactive": {"type": kind, kind: reply}}
        if kind == "unsupported":
            return _unsupported(content or {})
        if kind in _MEDIA:
            return {"type": kind, kind: self._medium(writing, number, base_url, now)}
        return {"type": kind, kind: self._makers[kind](content)}

    def _medium(self, writing: Writing, number: BusinessNumber, base_url: str, now: float) -> JSON:
        default_type, default_data = _MEDIA[writing.type]
        more = dict(writing.content or {})
        mime_type = more.pop("mime_type", default_type)
        medium = self._media.add(writing.media or default_data, mime_type, number.id)
        if writing.text is not None:
            more.setdefault("caption", writing.text)
        if writing.type == "audio":
            more.setdefault("voice", mime_type.startswith("audio/ogg"))
        if writing.type == "sticker":
            more.setdefault("animated", False)
        return {
            "mime_type": mime_type,
            "sha256": base64.b64encode(medium.sha256).decode(),
            "id": medium.id,
            "url": self._media.address(medium, base_url, now, "webhook"),
        } | more


def _location(content: Any) -> JSON:
    return {"latitude": 48.85837, "longitude": 2.294481} | (content or {})


def _contacts(content: Any) -> Any:
    card = {"name": {"formatted_name": "Alix Modèle"}, "phones": [{"phone": "+33 6 00 00 00 09", "type": "CELL"}]}
    return content or [card]


def _reaction(content: Any) -> JSON:
    """A removal has no `emoji` at all (Meta, "Reaction messages webhook reference")."""
    if not content or "message_id" not in content:
        raise ValueError("a reaction needs content with the message_id it is to")
    return {key: value for key, value in content.items() if value is not None}


def _unsupported(content: JSON) -> JSON:
    code = content.get("code", 131051)
    return {
        "type": "unsupported",
        "unsupported": {"type": content.get("type", "poll_creation")},
        "errors": [error_details(code)],
    }
