"""What the routes of files take and show."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from inbox.media.kinds_sent import LARGEST, Kind
from inbox.schemas import Body, Query, Row, printable

PIECE = 512 * 1024  #: bytes of each piece but the last


class MediaQuery(Query):
    """Which of a file's two sizes."""

    size: Annotated[
        Literal["small", "whole"],
        Field(description="`small`: a picture of 640 pixels at most, where there is one; else the file itself."),
    ] = "whole"


class UploadBody(Body):
    """A file that is to be handed over. The same `client_key` goes on where it broke off."""

    account_id: UUID
    mime_type: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(printable)]
    size: Annotated[int, Field(ge=0, lt=2**53, description="Bytes of the whole file; WhatsApp has limits by type.")]
    filename: Annotated[
        Annotated[str, Field(min_length=1, max_length=240), AfterValidator(printable)] | None,
        Field(description="Shown to the customer with a document."),
    ] = None
    client_key: Annotated[str, Field(min_length=1, max_length=255)]


class UploadRow(Row):
    """A file that is being handed over."""

    id: UUID
    account_id: UUID
    mime_type: str
    kind: Kind = Field(description="Of the message it will be.")
    filename: str | None
    size: int
    received: int = Field(description="Bytes that have come. The next piece begins here.")
    piece_size: int = Field(description="Bytes of each piece but the last.")
    done: bool = Field(description="It is whole, and can be sent.")


class PieceQuery(Query):
    """Which piece."""

    offset: Annotated[int, Field(ge=0, le=LARGEST)]
