"""What the wire shows of a bot's knowledge, and what it takes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from inbox.errors import BadValue
from inbox.gateways.whatsapp.media import origin_of
from inbox.schemas import Body, Row, Time, printable

MOST_SOURCES = 50  #: of one number
MOST_PASSAGES = 3000  #: of one number
MOST_BYTES = 10 * 1024 * 1024  #: of a file; a page has 2 MB at most (`gateways.pages`)
MOST_CHARACTERS = 200_000  #: of a text that is handed over in a request

Kind = Literal["text", "file", "page"]
State = Literal["reading", "ready", "failed"]


def _address(text: str) -> str:
    """An address that everybody reads alike. Where it leads is looked at when it is read. Raises BadValue."""
    if origin_of(text) is None and origin_of(f"{text}/") is None:
        sentence = "must be an address such as https://example.com/hours, without a user, a fragment or blanks"
        raise BadValue("not_an_address", sentence)
    return text


Url = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_address)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=240, pattern=r"\S"), AfterValidator(printable)]


class KnowledgeSourceRow(Row):
    """Something that the bot of a number has read, or is to read."""

    id: UUID
    account_id: UUID
    kind: Kind
    name: str
    url: str | None = Field(description="Of a page.")
    size: int | None = Field(description="Bytes that were read.")
    state: State = Field(description="While it is `failed`, what was read of it before is still used.")
    problem: str | None = Field(description="Why it failed, as a word.")
    passages: int = Field(description="What answers may use of it.")
    read_at: Time | None
    due_at: Time | None = Field(description="When it is read next; null: not again.")
    created_at: Time


class PageSource(Body):
    """A web page of the business. It is read again every day."""

    type: Literal["page"]
    url: Url


class TextSource(Body):
    """A text, plain or Markdown."""

    type: Literal["text"]
    name: Name
    text: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, pattern=r"\S")]


class FileSource(Body):
    """A file that was handed over: a PDF or a text."""

    type: Literal["file"]
    upload_id: UUID = Field(description="Of POST /uploads, once it is done.")


class KnowledgeBody(Body):
    """Something to be read."""

    MAX_BYTES = 1024 * 1024

    source: Annotated[PageSource | TextSource | FileSource, Field(discriminator="type")]


class PassageRow(Row):
    """Some paragraphs of a source."""

    id: UUID
    source_id: UUID
    source_name: str
    url: str | None = Field(description="Of the page that it stands on.")
    page: int | None = Field(description="Of a PDF, from 1.")
    heading: str | None
    text: str
