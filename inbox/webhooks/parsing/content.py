"""What a WhatsApp message says: readable text, structured payload and media, for every type.

Types and fields follow Meta's webhook reference for the `messages` field (read November 2026). A type nobody has
heard of gets a placeholder and keeps its whole payload.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from inbox.db.clean import JSON, clean_json
from inbox.gateways.whatsapp.text import is_visible
from inbox.webhooks.parsing import lines
from inbox.webhooks.parsing.reading import as_dict, as_text
from inbox.webhooks.parsing.records import Content

MEDIA_TYPES = frozenset({"image", "video", "audio", "document", "sticker"})

#: Types that carry a message for somebody who can read, if they hold what they should: `says_something`.
_READABLE_TYPES = frozenset({"text", "button", "interactive", "location", "contacts", "order"})

CALL = "call"  #: a call that nobody took

#: Types that the bot leaves alone: they are unread until somebody looks, and await no answer.
IGNORED_TYPES = frozenset({"sticker", CALL})

_EXTRAS = ("referral", "errors", "identity")
_NO_TEXT = ""


def content_of(message: dict[str, Any]) -> Content:
    """The content of one message object, whatever its type."""
    kind = (as_text(message.get("type")) or "unknown")[:64]
    body = message.get(kind)
    text = _reader(kind)(body if body is not None else {}) or _placeholder(kind, message)
    text = "\n".join([text, *lines.about(message)])
    media = as_dict(body) if kind in MEDIA_TYPES else {}
    return Content(
        type=kind,
        text=text,
        payload=_payload(kind, body, message),
        media_id=_clip(media.get("id"), 255),
        media_mime_type=_clip(media.get("mime_type"), 255),
        media_filename=_clip(media.get("filename"), 1000),
    )


def says_something(kind: str, text: str) -> bool:
    """True when the bot may answer a message of this type with this text: it is more than the name of its type."""
    return kind in _READABLE_TYPES and text != f"[{kind}]"


def _clip(value: JSON, length: int) -> str | None:
    text = as_text(value)
    return text[:length] if text else None


def _payload(kind: str, body: JSON, message: dict[str, Any]) -> dict[str, Any]:
    """The structure worth keeping: the typed object (except plain text) and what stands beside it."""
    payload: dict[str, Any] = {}
    if kind == "text" and isinstance(as_dict(body).get("body"), str):
        pass  # content_text says it all
    elif kind in message:
        payload[kind] = body
    extras = {key: message[key] for key in _EXTRAS if message.get(key)}
    context = {key: item for key, item in as_dict(message.get("context")).items() if key not in ("id", "from")}
    return payload | extras | ({"context": context} if context else {})


def _placeholder(kind: str, message: dict[str, Any]) -> str:
    subtype = as_text(as_dict(message.get("unsupported")).get("type")) if kind == "unsupported" else None
    if kind == "media_placeholder":
        return "[media]"
    return f"[{kind}: {subtype}]" if subtype else f"[{kind}]"


def _field(name: str) -> Callable[[JSON], str | None]:
    """Reads what `name` holds, if anybody could see it."""

    def read(body: JSON) -> str | None:
        text = as_text(as_dict(body).get(name))
        return text if text and is_visible(text) else None

    return read


def _interactive(body: JSON) -> str | None:
    inner = as_dict(body)
    kind = as_text(inner.get("type")) or ""
    reply = as_dict(inner.get(kind))
    if kind == "nfm_reply":
        return _form(reply)
    if kind == "call_permission_reply":
        return f"[call permission: {as_text(reply.get('response')) or 'unknown'}]"
    chosen = (as_text(reply.get("title")), as_text(reply.get("description")))  # only an entry of a list has the second
    return " - ".join(text for text in chosen if text and is_visible(text)) or None


def _form(reply: dict[str, Any]) -> str | None:
    """A completed form: the answers by name, because its body is only a word like "Sent"."""
    answers = form_answers(reply)
    lines = [f"{key}: {_plain(value)}" for key, value in answers.items() if key not in ("flow_token", "values")]
    return "\n".join(lines) or as_text(reply.get("body"))


def form_answers(reply: dict[str, Any]) -> dict[str, Any]:
    """`response_json` of a form reply is a string that holds JSON; {} when it does not parse to an object."""
    try:
        return as_dict(clean_json(json.loads(reply.get("response_json") or "{}")))
    except (ValueError, TypeError, RecursionError):
        return {}


def _plain(value: JSON) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_READERS: dict[str, Callable[[JSON], str | None]] = {
    "text": _field("body"),
    "image": _field("caption"),
    "video": _field("caption"),
    "document": _field("caption"),
    "button": _field("text"),
    "order": lines.order,
    "system": _field("body"),
    "location": lines.location,
    "contacts": lines.contacts,
    "interactive": _interactive,
}


def _reader(kind: str) -> Callable[[JSON], str | None]:
    return _READERS.get(kind, lambda _body: _NO_TEXT)
