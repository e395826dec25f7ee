"""What `POST /{phone_number_id}/messages` accepts, and what it answers to the rest.

Source: Meta, "Cloud API > Send messages" and the page of each type. Groups, flows, products and orders are not
simulated and refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.customers import digits_of
from sandbox.graph_checks import a_list, an_object, only, optional_text, require, text
from sandbox.graph_errors import GraphError
from sandbox.graph_templates import check_shape

_COMMON = {
    "messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data",
    "recipient_identity_key_hash", "messaging_account_id", "paid_messaging_account_id",
}  # fmt: skip

_MEDIA_KEYS = {
    "image": {"id", "link", "caption"},
    "video": {"id", "link", "caption"},
    "document": {"id", "link", "caption", "filename"},
    "audio": {"id", "link", "voice"},
    "sticker": {"id", "link"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message that passed the checks."""

    type: str
    content: Any  #: the object named as the type
    to: str | None  #: as given
    bsuid: str | None
    context: str | None  #: the wamid it answers
    callback_data: str | None

    @property
    def text(self) -> str | None:
        """What there is to read in it."""
        if self.type == "text":
            return str(self.content["body"])
        if self.type == "interactive":
            return str(self.content["body"]["text"])
        return self.content.get("caption") if isinstance(self.content, Mapping) else None

    @property
    def media_id(self) -> str | None:
        return self.content.get("id") if self.type in _MEDIA_KEYS else None


def read_message(body: Any) -> Outgoing:
    """The message in a request's JSON; raises GraphError."""
    if not isinstance(body, Mapping):
        raise GraphError(100, "The request body is not a JSON object")
    require(body, "messaging_product")
    if body["messaging_product"] != "whatsapp":
        raise GraphError(100, 'Param messaging_product must be "whatsapp"')
    kind = body.get("type", "text")
    if not isinstance(kind, str) or kind not in _CHECKS:
        raise GraphError(100, f"Param type must be one of {{{', '.join(sorted(_CHECKS)).upper()}}} - got {kind!r}")
    only(body, _COMMON | {kind}, "message")
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(100, "Param recipient_type must be individual: groups are not simulated")
    require(body, kind)
    _CHECKS[kind](body[kind])
    return Outgoing(
        type=kind,
        content=body[kind],
        to=optional_text(body, "to", 1, 64),
        bsuid=optional_text(body, "recipient", 1, 255),
        context=_context(body.get("context"), kind),
        callback_data=optional_text(body, "biz_opaque_callback_data", 0, 512),
    )


def read_phone(to: str, country_code: str) -> str:
    """The digits of the number a message goes to. Without a "+" the business number's country code comes first.

    Source: Meta, "Cloud API > Phone numbers": blanks, dashes and brackets are taken.
    """
    stripped = to.strip()
    digits = digits_of(stripped)
    if not 5 <= len(digits) <= 20 or set(stripped) - set("+0123456789 -()."):
        raise GraphError(131009, f"The parameter to is not a phone number: {to!r}")
    return digits if stripped.startswith("+") else country_code + digits


def _context(context: Any, kind: str) -> str | None:
    if context is None:
        return None
    if kind == "reaction":
        raise GraphError(131009, "A reaction takes no context")
    return text(an_object(context, "context", {"message_id"}), "message_id", 1, 512)


def _check_text(content: Any) -> None:
    an_object(content, "text", {"body", "preview_url"})
    text(content, "body", 1, 4096)
    if not isinstance(content.get("preview_url", False), bool):
        raise GraphError(131009, "The parameter preview_url must be a boolean")


def _media_check(kind: str) -> Callable[[Any], None]:
    def check(content: Any) -> None:
        an_object(content, kind, _MEDIA_KEYS[kind])
        if ("id" in content) == ("link" in content):
            raise GraphError(131008, f"{kind} needs either an id or a link")
        if "id" in content:
            text(content, "id", 1, 64)
        elif not text(content, "link", 1, 2048).startswith(("http://", "https://")):
            raise GraphError(131009, "The parameter link is not a URL")
        optional_text(content, "caption", 0, 1024)
        optional_text(content, "filename", 1, 240)

    return check


def _check_location(content: Any) -> None:
    an_object(content, "location", {"latitude", "longitude", "name", "address"})
    require(content, "latitude", "longitude")
    for name, bound in (("latitude", 90), ("longitude", 180)):
        try:
            fits = -bound <= float(content[name]) <= bound
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise GraphError(131009, f"The parameter {name} is out of range")


def _check_contacts(content: Any) -> None:
    for card in a_list({"contacts": content}, "contacts", 1, 257):
        name = card.get("name") if isinstance(card, Mapping) else None
        if not isinstance(name, Mapping):
            raise GraphError(131008, "The parameter contacts['name'] is required")
        text(name, "formatted_name", 1, 1024)


def _check_reaction(content: Any) -> None:
    an_object(content, "reaction", {"message_id", "emoji"})
    text(content, "message_id", 1, 512)
    text(content, "emoji", 0, 16)


def _check_interactive(content: Any) -> None:
    an_object(content, "interactive", {"type", "header", "body", "footer", "action"})
    kind = text(content, "type", 1, 64)
    if kind not in ("button", "list"):
        raise GraphError(131009, f"The parameter type of interactive must be button or list here - got {kind!r}")
    require(content, "body", "action")
    text(an_object(content["body"], "body", {"text"}), "text", 1, 4096 if kind == "list" else 1024)
    if content.get("footer") is not None:
        text(an_object(content["footer"], "footer", {"text"}), "text", 1, 60)
    if content.get("header") is not None:
        _check_header(content["header"], ("text",) if kind == "list" else ("text", "image", "video", "document"))
    (_check_sections if kind == "list" else _check_buttons)(content["action"])


def _check_header(header: Any, kinds: tuple[str, ...]) -> None:
    an_object(header, "header", {"type", *kinds})
    kind = text(header, "type", 1, 16)
    if kind not in kinds:
        raise GraphError(131009, f"The parameter type of header must be one of {', '.join(kinds)}")
    if kind == "text":
        text(header, "text", 1, 60)
    else:
        require(header, kind)
        _CHECKS[kind](header[kind])


def _check_buttons(action: Any) -> None:
    ids, titles = [], []
    for button in a_list(an_object(action, "action", {"buttons"}), "buttons", 1, 3):
        an_object(button, "buttons", {"type", "reply"})
        if button.get("type") != "reply":
            raise GraphError(131009, "The parameter type of a button must be reply")
        require(button, "reply")
        reply = an_object(button["reply"], "reply", {"id", "title"})
        ids.append(text(reply, "id", 1, 256))
        titles.append(text(reply, "title", 1, 20))
    if len(set(ids)) < len(ids) or len(set(titles)) < len(titles):
        raise GraphError(131009, "Duplicate button ids or titles")


def _check_sections(action: Any) -> None:
    text(an_object(action, "action", {"button", "sections"}), "button", 1, 20)
    sections = a_list(action, "sections", 1, 10)
    ids = []
    for section in sections:
        an_object(section, "sections", {"title", "rows"})
        if len(sections) > 1:
            require(section, "title")
        optional_text(section, "title", 1, 24)
        for row in a_list(section, "rows", 1, 10):
            an_object(row, "rows", {"id", "title", "description"})
            ids.append(text(row, "id", 1, 200))
            text(row, "title", 1, 24)
            optional_text(row, "description", 0, 72)
    if len(ids) > 10 or len(set(ids)) < len(ids):
        raise GraphError(131009, "At most 10 rows in all sections, each with an id of its own")


_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "text": _check_text,
    "location": _check_location,
    "contacts": _check_contacts,
    "reaction": _check_reaction,
    "interactive": _check_interactive,
    "template": check_shape,
    **{kind: _media_check(kind) for kind in _MEDIA_KEYS},
}
