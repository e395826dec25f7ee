"""The data block of a shell: read with few statements, from the services that answer the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import ValidationError

from inbox.accounts import service as accounts
from inbox.accounts.schemas import AccountQuery
from inbox.auth.access import Access, Permission, Principal
from inbox.clock import utc_now
from inbox.conversations import lists, threads
from inbox.conversations.schemas import ConversationQuery, ConversationRow, MessageQuery
from inbox.conversations.service import get_conversation
from inbox.db import Database
from inbox.db.paging import Cursor
from inbox.errors import DomainError
from inbox.gateways.whatsapp.text import MAX_TEXT
from inbox.live.changes import ChangeFeed
from inbox.live.schemas import ChangesQuery
from inbox.page.schemas import Boot, BootAccount, BootConversations, BootSettings, BootThread
from inbox.team.notes import list_notes
from inbox.users.sign_in.schemas import me

CONVERSATIONS, MESSAGES = 50, 50  # rows of the first pages
#: What an address may hold besides filters of the list: `q` is looked for by the page itself.
_NOT_FILTERS: dict[str, Any] = {"cursor": None, "updated_since": None, "q": None}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where it is read from, and what is told of the settings."""

    db: Database
    changes: ChangeFeed
    bot_pause: timedelta
    confirm_window: float  #: seconds
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a shell was asked for: the address's filters, the account that was open last, the opened conversation."""

    filters: Mapping[str, str]
    account: str | None = None
    conversation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, in which language, and with which token their writes are meant."""

    principal: Principal
    csrf: str | None
    lang: str
    theme: str


def boot(sources: Sources, reader: Reader, release: str) -> Boot:
    """What every shell is given: who reads, and the numbers they may see."""
    seen = Access(reader.principal, Permission.CONVERSATIONS_VIEW)
    rows = accounts.list_accounts(sources.db, seen, AccountQuery()).rows
    found = [BootAccount.model_validate(row) for row in rows]
    return Boot(
        me=me(reader.principal, csrf_token=reader.csrf),
        csrf=reader.csrf,
        lang=reader.lang,
        theme=reader.theme,
        release=release,
        demo=sources.demo,
        accounts=found,
        account_id=found[0].id if found else None,
        now=utc_now(),
        settings=BootSettings(
            max_text=MAX_TEXT,
            bot_pause_seconds=sources.bot_pause.total_seconds(),
            confirm_window_seconds=sources.confirm_window,
        ),
    )


def inbox_boot(sources: Sources, reader: Reader, release: str, asked: Asked) -> Boot:
    """What the inbox shows at once. Raises ConversationNotFound."""
    made, db = boot(sources, reader, release), sources.db
    seen = Access(reader.principal, Permission.CONVERSATIONS_VIEW)
    if asked.conversation_id is not None:
        made.conversation = get_conversation(db, seen, asked.conversation_id)
    made.account_id = _account(made, asked)
    if made.account_id is None:
        return made
    # The position comes first: what changes while the lists are read is told by the first GET /changes.
    change = sources.changes.since(seen, ChangesQuery(account_id=made.account_id))
    if change is not None:
        made.position, made.counts = change.moment.next, change.moment.counts
        made.present, made.notices = change.moment.present, change.moment.notices
    made.conversations = _conversations(sources, seen, made.account_id, asked.filters)
    if made.conversation is not None and reader.principal.may(Permission.MESSAGES_VIEW, made.conversation.account_id):
        made.thread = _thread(sources, reader.principal, made.conversation)
    return made


def _account(made: Boot, asked: Asked) -> UUID | None:
    """The opened conversation's, else the one that is asked for, else the first."""
    if made.conversation is not None:
        return made.conversation.account_id
    known = {str(account.id): account.id for account in made.accounts}
    wanted = (asked.filters.get("account_id", ""), asked.account or "")
    return next((known[each] for each in wanted if each in known), made.account_id)


def _conversations(sources: Sources, seen: Access, account_id: UUID, filters: Mapping[str, str]) -> BootConversations:
    """The list as the address filters it; what cannot be read in the address is overlooked."""
    plain: dict[str, Any] = {"account_id": str(account_id), "limit": CONVERSATIONS}
    try:
        query = ConversationQuery.model_validate({**filters, **plain, **_NOT_FILTERS})
        page = lists.list_conversations(sources.db, seen, query)
    except (ValidationError, DomainError):
        query = ConversationQuery.model_validate(plain)
        page = lists.list_conversations(sources.db, seen, query)
    told = query.model_dump(mode="json", exclude_defaults=True)
    return BootConversations(query=told, rows=list(page.rows), next=_next("/conversations", told, page.next))


def _thread(sources: Sources, principal: Principal, opened: ConversationRow) -> BootThread:
    seen = Access(principal, Permission.MESSAGES_VIEW)
    page = threads.list_messages(sources.db, seen, opened.id, MessageQuery(limit=MESSAGES))
    older = _next(f"/messages/{opened.id}", {"limit": MESSAGES}, page.next)
    notes = list_notes(sources.db, seen, opened.id)  # they stand among the messages: later they would move them
    return BootThread(conversation_id=opened.id, rows=list(page.rows), notes=notes, older=older)


def _next(path: str, query: Mapping[str, Any], cursor: Cursor | None) -> str | None:
    return f"{path}?{urlencode({**query, 'cursor': cursor.encode()})}" if cursor else None
