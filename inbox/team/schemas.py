"""What the wire shows of notes, labels, canned replies and drafts, and what it takes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StrictFloat, StrictInt, StrictStr, StringConstraints

from inbox.contacts.schemas import ContactRow
from inbox.conversations.schemas import ConversationRow
from inbox.errors import BadValue
from inbox.gateways.whatsapp.text import MAX_TEXT
from inbox.models import ConversationStatus
from inbox.schemas import LEFT_OUT, Body, Query, Row, Time, each_once, printable

MAX_NOTE = 10_000  # characters, of a draft as well
MAX_WORD = 40  # characters, of a label and of a shortcut
COLORS = 8
MOST_NOTES = 500  # shown of one conversation: the newest
MOST_LABELS = 200  # of one number
MOST_OF_ONE = 20  # labels of one conversation
MOST_CANNED = 1000  # of one number
MOST_AT_ONCE = 200  # conversations
MOST_FIELDS = 30  # details of contacts, of one number
MAX_VALUE = 500  # characters of a detail
MAX_NUMBER = 10**15

Mode = Literal["reply", "note"]
AuthorKind = Literal["user", "key", "command"]


def _one_word(shortcut: str) -> str:
    if any(map(str.isspace, shortcut)):
        raise BadValue("not_one_word", "must be one word, without blanks")
    return shortcut


Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_WORD), AfterValidator(printable)
]
Shortcut = Annotated[
    str,
    Field(min_length=1, max_length=MAX_WORD, json_schema_extra={"pattern": r"^\S+$"}),
    AfterValidator(_one_word),
    AfterValidator(printable),
]
Color = Annotated[int, Field(ge=0, lt=COLORS, description="Which of the page's eight hues.")]
NoteText = Annotated[str, Field(min_length=1, max_length=MAX_NOTE)]
ReplyText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_TEXT,
        description="May hold {contact.name}, {contact.first_name}, {me.name}, {account.name} and {number}, the "
        "business number: whoever shows the text for sending fills them in.",
        examples=["Good morning {contact.first_name}, we open at seven."],
    ),
]


# --- notes -------------------------------------------------------------------------------------------------------


class NoteAuthor(Row):
    """Who wrote a note, by the name they had then."""

    kind: AuthorKind
    id: str
    name: str


class NoteRow(Row):
    """What a colleague told the others about a conversation. The customer never sees it."""

    id: UUID
    conversation_id: UUID
    author: NoteAuthor
    text: str = Field(description="Empty once it is deleted.")
    client_key: str | None
    created_at: Time
    edited_at: Time | None
    deleted: bool
    changed_at: Time


class NoteBody(Body):
    """A note. The same `client_key` gives the same note, however often it is sent."""

    text: NoteText
    client_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None


class NotePatch(Body):
    """What a note is to say."""

    text: NoteText


# --- labels ------------------------------------------------------------------------------------------------------


class LabelRow(Row):
    """A word by which the conversations of a number are sorted."""

    id: UUID
    account_id: UUID
    name: str
    color: Color
    changed_at: Time


class LabelBody(Body):
    """A label to be made."""

    name: Label
    color: Color = 0


class LabelPatch(Body):
    """What is to be different; the rest stays."""

    name: Label = LEFT_OUT
    color: Color = LEFT_OUT


class LabelsBody(Body):
    """All labels that a conversation is to have."""

    label_ids: Annotated[list[UUID], Field(max_length=MOST_OF_ONE, json_schema_extra={"uniqueItems": True})]


# --- many conversations at once ----------------------------------------------------------------------------------

Ids = Annotated[
    list[UUID],
    Field(max_length=MOST_OF_ONE, json_schema_extra={"uniqueItems": True}),
    AfterValidator(each_once),
]


class SetStatus(Body):
    """Put them away, or open them again: as POST /conversations/{id}/status."""

    action: Literal["status"]
    status: ConversationStatus


class GiveTo(Body):
    """Give them to somebody, or to nobody: as POST /conversations/{id}/assign."""

    action: Literal["assign"]
    user_id: UUID | None


class PutLabels(Body):
    """Add labels, and take others away. What they have besides stays."""

    action: Literal["label"]
    add: Ids = Field(default=[])
    remove: Ids = Field(default=[])


class MarkRead(Body):
    """Somebody has read them: as POST /conversations/{id}/read."""

    action: Literal["read"]


class BulkBody(Body):
    """What is to be done, and to which conversations."""

    conversation_ids: Annotated[
        list[UUID],
        Field(min_length=1, max_length=MOST_AT_ONCE, json_schema_extra={"uniqueItems": True}),
        AfterValidator(each_once),
    ]
    do: Annotated[SetStatus | GiveTo | PutLabels | MarkRead, Field(discriminator="action")]


class BulkOutcome(Row):
    """What became of one of them."""

    conversation_id: UUID
    ok: bool
    code: str | None = Field(description="Why not, as a problem's code.")
    title: str | None
    conversation: ConversationRow | None = Field(description="As it is now; null where it was refused.")


class BulkDone(Row):
    """In the order of the request."""

    outcomes: list[BulkOutcome]


# --- canned replies ----------------------------------------------------------------------------------------------


class CannedReplyRow(Row):
    """A text that is sent often, found by its shortcut."""

    id: UUID
    account_id: UUID
    shortcut: str
    text: str
    changed_at: Time


class CannedReplyBody(Body):
    """A canned reply to be made."""

    shortcut: Shortcut
    text: ReplyText


class CannedReplyPatch(Body):
    """What is to be different; the rest stays."""

    shortcut: Shortcut = LEFT_OUT
    text: ReplyText = LEFT_OUT


# --- contacts ----------------------------------------------------------------------------------------------------

FieldKind = Literal["text", "number", "date", "choice"]
Choices = Annotated[
    list[Label], Field(max_length=50, json_schema_extra={"uniqueItems": True}), AfterValidator(each_once)
]
Value = (
    Annotated[StrictStr, Field(max_length=MAX_VALUE)] | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)]
)


class ContactFieldRow(Row):
    """A detail that a number keeps of its contacts."""

    id: UUID
    account_id: UUID
    name: str
    kind: FieldKind
    choices: list[str] = Field(description="Of a choice; else empty.")
    changed_at: Time


class ContactFieldBody(Body):
    """A detail to be kept from now on. Its kind cannot be changed later."""

    name: Label
    kind: FieldKind
    choices: Choices = Field(default=[])


class ContactFieldPatch(Body):
    """What is to be different; the rest stays."""

    name: Label = LEFT_OUT
    choices: Annotated[Choices, Field(min_length=1)] = LEFT_OUT


class ContactDetail(ContactRow):
    """A contact with what the team keeps of them."""

    fields: dict[str, Value] = Field(
        description="By the id of a detail: a text, a number, a date as 2026-11-20, or one of its choices."
    )


class ContactPatch(Body):
    """Details to write, by their ids. null takes one away; the others stay."""

    fields: Annotated[
        dict[UUID, Value | None],
        Field(
            min_length=1,
            max_length=MOST_FIELDS,
            examples=[{"01a227d7-6dc0-72fa-8a49-e952d6fc5bbd": "vegan", "01a227d7-6e1d-74e9-8f43-0efa478190cf": None}],
        ),
    ]


class MergeBody(Body):
    """Who is the same person."""

    other_id: UUID


# --- drafts ------------------------------------------------------------------------------------------------------


class DraftRow(Row):
    """What you are writing and have not sent, on whatever device."""

    mode: Mode
    text: str
    reply_to: UUID | None
    version: int = Field(description="Send it with the next change, so that no newer text of another device is lost.")
    changed_at: Time


class DraftBody(Body):
    """A draft as it is now, and the version it was made from."""

    text: Annotated[str, Field(max_length=MAX_NOTE)]
    reply_to: UUID | None = None
    version: Annotated[int, Field(ge=0, description="The newest you have seen; 0: none.")] = 0


class DraftQuery(Query):
    """Which draft to give up."""

    version: Annotated[int | None, Field(ge=0, description="Only if it is still this one.")] = None
