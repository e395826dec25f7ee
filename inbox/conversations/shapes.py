"""What people send that is more than a text: a place, contact cards, buttons, a list to choose from.

Limits: Meta, Send messages, the page of each type (read November 2026), counted in code points.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.orm import Session

from inbox.conversations.writing import Written
from inbox.errors import BadValue
from inbox.models import Conversation, Message
from inbox.schemas import Body

MOST_ROWS = 10  # of a list, in all its sections
MOST_CARDS = 20


def _seen(longest: int) -> Any:
    """Of a text with something to see in it."""
    return Field(min_length=1, max_length=longest, pattern=r"\S")


PlaceText = Annotated[str, _seen(1000)]
NameText = Annotated[str, _seen(200)]
PhoneText = Annotated[str, _seen(40)]
MailText = Annotated[str, _seen(320)]
ButtonTitle = Annotated[str, _seen(20)]
ButtonId = Annotated[str, _seen(256)]
RowTitle = Annotated[str, _seen(24)]
RowDetail = Annotated[str, _seen(72)]
EdgeText = Annotated[str, _seen(60)]
ButtonsText = Annotated[str, _seen(1024)]
ListText = Annotated[str, _seen(4096)]


class _Shape(Body):
    """Sent as a message of `message_type`: `conversations.writing.Content`."""

    @property
    def any_time(self) -> bool:
        return False

    def is_of(self, message: Message) -> bool:
        return (message.message_type, message.payload) == (self.message_type, {self.message_type: self.wire()})

    def write(self, session: Session, conversation: Conversation) -> Written:  # noqa: ARG002 (as Content)
        return Written(self.message_type, self.words(), {self.message_type: self.wire()})

    @property
    @abstractmethod
    def message_type(self) -> str:
        """As WhatsApp names it."""

    @abstractmethod
    def wire(self) -> Any:
        """What WhatsApp is given."""

    @abstractmethod
    def words(self) -> str:
        """What there is to read in it."""


class LocationContent(_Shape):
    """A place."""

    type: Literal["location"]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: PlaceText | None = None
    address: PlaceText | None = None

    @property
    def message_type(self) -> str:
        return "location"

    def wire(self) -> Any:
        return self.model_dump(exclude={"type"}, exclude_none=True)

    def words(self) -> str:
        named = ", ".join(part for part in (self.name, self.address) if part)
        point = f"{self.latitude}, {self.longitude}"
        return f"[location] {named} ({point})" if named else f"[location] {point}"


class Card(Body):
    """Somebody's contact card."""

    name: NameText
    phones: Annotated[list[PhoneText], Field(max_length=10)] = Field(default_factory=list)
    emails: Annotated[list[MailText], Field(max_length=10)] = Field(default_factory=list)
    company: NameText | None = None

    def wire(self) -> dict[str, Any]:
        """As WhatsApp wants it: a first name beside the whole one."""
        card: dict[str, Any] = {"name": {"formatted_name": self.name, "first_name": self.name}}
        if self.phones:
            card["phones"] = [{"phone": phone, "type": "CELL"} for phone in self.phones]
        if self.emails:
            card["emails"] = [{"email": email} for email in self.emails]
        return card | ({"org": {"company": self.company}} if self.company else {})


class ContactsContent(_Shape):
    """Contact cards."""

    type: Literal["contacts"]
    contacts: Annotated[list[Card], Field(min_length=1, max_length=MOST_CARDS)]

    @property
    def message_type(self) -> str:
        return "contacts"

    def wire(self) -> Any:
        return [card.wire() for card in self.contacts]

    def words(self) -> str:
        return "[contact] " + "; ".join(", ".join([card.name, *card.phones, *card.emails]) for card in self.contacts)


class ReplyButton(Body):
    """A button. What the customer chooses comes back as a message with this id."""

    id: ButtonId
    title: ButtonTitle


class _Interactive(_Shape):
    header: EdgeText | None = None
    footer: EdgeText | None = None

    @property
    def message_type(self) -> str:
        return "interactive"

    def _wire(self, kind: str, text: str, action: dict[str, Any]) -> Any:
        header = {"header": {"type": "text", "text": self.header}} if self.header else {}
        footer = {"footer": {"text": self.footer}} if self.footer else {}
        return {"type": kind, **header, "body": {"text": text}, **footer, "action": action}

    def _words(self, text: str) -> str:
        return "\n".join(part for part in (self.header, text, self.footer) if part)


class ButtonsContent(_Interactive):
    """A text with up to three buttons."""

    type: Literal["buttons"]
    text: ButtonsText
    buttons: Annotated[list[ReplyButton], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        _require_different([button.id for button in self.buttons], "the ids of buttons")
        titles = [button.title for button in self.buttons]
        if len(set(titles)) < len(titles):
            raise BadValue("same_titles", "the titles of buttons must differ")
        return self

    def wire(self) -> Any:
        buttons = [{"type": "reply", "reply": button.model_dump()} for button in self.buttons]
        return self._wire("button", self.text, {"buttons": buttons})

    def words(self) -> str:
        return self._words(self.text)


class ListRow(Body):
    """Something to choose. What the customer chooses comes back as a message with this id."""

    id: NameText
    title: RowTitle
    description: RowDetail | None = None


class ListSection(Body):
    """Some of what there is to choose."""

    title: RowTitle | None = None
    rows: Annotated[list[ListRow], Field(min_length=1, max_length=MOST_ROWS)]


class ListContent(_Interactive):
    """A text with a list behind a button: ten rows at most, in sections that have titles if there are several."""

    type: Literal["list"]
    text: ListText
    button: ButtonTitle
    sections: Annotated[list[ListSection], Field(min_length=1, max_length=MOST_ROWS)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        ids = [row.id for section in self.sections for row in section.rows]
        _require_different(ids, "the ids of rows")
        if len(ids) > MOST_ROWS:
            sentence = f"a list has {MOST_ROWS} rows at most, in all its sections together"
            raise BadValue("too_many_rows", sentence, most=MOST_ROWS)
        if len(self.sections) > 1 and not all(section.title for section in self.sections):
            raise BadValue("untitled_section", "each of several sections needs a title")
        return self

    def wire(self) -> Any:
        sections = [section.model_dump(exclude_none=True) for section in self.sections]
        return self._wire("list", self.text, {"button": self.button, "sections": sections})

    def words(self) -> str:
        return self._words(self.text)


def limits() -> dict[str, dict[str, Any]]:
    """What each field of these kinds takes, in words of JSON Schema: for forms, which say so before they send."""
    shapes = SendContentBody.model_json_schema()["$defs"]
    told = {name: _fields(shape) for name, shape in shapes.items()}
    told["ListContent"]["rows"] = {"maxItems": MOST_ROWS}
    return told


def _fields(shape: dict[str, Any]) -> dict[str, dict[str, Any]]:
    needed = shape["required"]
    return {name: _bounds(about) | {"required": name in needed} for name, about in shape["properties"].items()}


def _bounds(about: dict[str, Any]) -> dict[str, Any]:
    words = ("minimum", "maximum", "maxLength", "maxItems")
    places = [about, *about.get("anyOf", ()), {word: about.get("items", {}).get(word) for word in ("maxLength",)}]
    return {word: each[word] for each in places for word in words if each.get(word) is not None}


def _require_different(ids: Sequence[str], what: str) -> None:
    if len(set(ids)) < len(ids):
        raise BadValue("not_different", f"{what} must differ")


class SendContentBody(Body):
    """A message that is more than a text. The same `client_key` gives the same message."""

    conversation_id: UUID
    content: Annotated[LocationContent | ContactsContent | ButtonsContent | ListContent, Field(discriminator="type")]
    client_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    reply_to: UUID | None = None
    seen_through: UUID | None = Field(
        None, description="The newest message the writer has seen. If somebody else has answered since: 409 overtaken."
    )
