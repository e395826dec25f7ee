"""What a page is given with its first answer: everything it shows at once, so that it asks for nothing before."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from inbox.bot.schemas import ProfileRow
from inbox.conversations.schemas import ConversationCounts, ConversationRow, MessageRow
from inbox.live.schemas import Notice, PresentRow
from inbox.schemas import Row, Time
from inbox.team.schemas import NoteRow
from inbox.users.sign_in.schemas import Me


class Welcome(Row):
    """Where a program that knows only our address finds the rest."""

    name: Literal["inbox"] = "inbox"
    openapi: str = "/openapi.json"
    docs: str = "/docs"
    health: str = "/health"


class BootAccount(Row):
    """A number whose conversations the reader may see."""

    id: UUID
    name: str
    phone_number: str | None


class BootConversations(Row):
    """The first page of the list, and for which filters it is."""

    query: dict[str, Any]
    rows: list[ConversationRow]
    next: str | None = Field(description="The address of the next page.")


class BootThread(Row):
    """The newest page of the opened conversation."""

    conversation_id: UUID
    rows: list[MessageRow]
    notes: list[NoteRow]
    older: str | None = Field(description="The address of the next page, which is older.")
    newer: None = None


class BootSettings(Row):
    """Limits that the page tells people of before the server would."""

    max_text: int
    bot_pause_seconds: float
    confirm_window_seconds: float


class Boot(Row):
    """The data block of a shell."""

    me: Me
    csrf: str | None
    lang: str
    theme: str
    release: str
    demo: bool
    accounts: list[BootAccount]
    account_id: UUID | None
    conversations: BootConversations | None = None
    conversation: ConversationRow | None = None
    thread: BootThread | None = None
    profile: ProfileRow | None = Field(default=None, description="Of the bot, where it is edited.")
    position: str | None = None
    counts: dict[str, ConversationCounts] = Field(default_factory=dict)
    present: list[PresentRow] = Field(default_factory=list)
    notices: list[Notice] = Field(default_factory=list)
    now: Time
    settings: BootSettings
