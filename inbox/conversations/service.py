"""Conversations and their messages: what people may see and do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth.access import Access, Permission, Principal
from inbox.auth.identities import principal_of
from inbox.clock import new_id, to_milliseconds
from inbox.conversations.rows import contact_row, conversation_row, message_rows
from inbox.conversations.schemas import (
    MAX_TEXT,
    ContactQuery,
    ContactRow,
    ConversationQuery,
    ConversationRow,
    MessageQuery,
    MessageRow,
)
from inbox.conversations.state import note_message, person_replied, switch_bot, window_expires_at
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import (
    ConversationNotFound,
    FieldProblem,
    IdempotencyConflict,
    InvalidRequest,
    MessageNotFound,
    NotResendable,
    PermissionDenied,
    ReplyWindowClosed,
)
from inbox.models import Account, Author, Contact, Conversation, Direction, Message, MessageStatus, User
from inbox.outbox import jobs, settle, store
from inbox.paging import Cursor, Page, after

# --- reading -----------------------------------------------------------------------------------------------------


def list_conversations(db: Database, access: Access, query: ConversationQuery) -> Page[ConversationRow]:
    """Newest first; with updated_since, the newest change first. Raises AccountNotFound, PermissionDenied."""
    cursor = Cursor.decode(query.cursor)
    time = Conversation.updated_at if query.updated_since is None else Conversation.changed_at
    select_rows = (
        select(Conversation, Contact, Account.paused_reason)
        .join(Contact, Conversation.contact_id == Contact.id)
        .join(Account, Conversation.account_id == Account.id)
        .where(Conversation.account_id == query.account_id, Account.deleted_at.is_(None), *_filters(query))
        .order_by(time.desc(), Conversation.id.desc())
        .limit(query.limit + 1)
    )
    if cursor is not None:
        select_rows = select_rows.where(after(cursor, time, Conversation.id))
    with db.reading() as session:
        found = session.execute(select_rows).all()
        if not found:
            require_account(session, access, query.account_id)
    access.require(query.account_id)
    rows = [conversation_row(*row) for row in found[: query.limit]]
    more = len(found) > query.limit
    last = rows[-1] if more else None
    moment = (last.updated_at if query.updated_since is None else last.changed_at) if last else None
    return Page(rows, Cursor(moment, last.id) if last and moment else None)


def _filters(query: ConversationQuery) -> list[ColumnElement[bool]]:
    filters: list[ColumnElement[bool]] = []
    if query.updated_since is not None:
        filters.append(Conversation.changed_at >= to_milliseconds(query.updated_since))
    if query.status is not None:
        filters.append(Conversation.status == query.status)
    if query.needs_human is not None:
        filters.append(Conversation.needs_human.is_(query.needs_human))
    if query.unread is not None:
        filters.append(Conversation.unread_count > 0 if query.unread else Conversation.unread_count == 0)
    if query.assigned_to is not None:
        filters.append(Conversation.assigned_to == query.assigned_to)
    if query.q:
        filters.append(_matches(query.q))
    return filters


def _matches(words: str) -> ColumnElement[bool]:
    """Contacts whose name, username or number holds `words`."""
    return or_(
        Contact.display_name.icontains(words, autoescape=True),
        Contact.username.icontains(words, autoescape=True),
        Contact.phone.contains(words.lstrip("+"), autoescape=True),
    )


def get_conversation(db: Database, access: Access, conversation_id: UUID) -> ConversationRow:
    """One row. Raises ConversationNotFound."""
    with db.reading() as session:
        return _row(session, _visible(session, access, conversation_id))


def _visible(session: Session, access: Access, conversation_id: UUID, *, lock: bool = False) -> Conversation:
    """A conversation the caller may see; another account's is as good as missing."""
    query = (
        select(Conversation)
        .join(Account, Conversation.account_id == Account.id)
        .where(Conversation.id == conversation_id, Account.deleted_at.is_(None))
    )
    locked = query.with_for_update(of=Conversation) if lock else query
    conversation = session.execute(locked).scalar_one_or_none()
    if conversation is None or not access.allows(conversation.account_id):
        raise ConversationNotFound
    return conversation


def _row(session: Session, conversation: Conversation) -> ConversationRow:
    contact = session.get_one(Contact, conversation.contact_id)
    return conversation_row(conversation, contact, session.get_one(Account, conversation.account_id).paused_reason)


def list_messages(db: Database, access: Access, conversation_id: UUID, query: MessageQuery) -> Page[MessageRow]:
    """The newest page, oldest first within it; the next page is older. Raises ConversationNotFound."""
    cursor = Cursor.decode(query.cursor)
    select_rows: Select[Message] = select(Message).where(Message.conversation_id == conversation_id)
    if query.before is not None:
        select_rows = select_rows.where(Message.timestamp < to_milliseconds(query.before))
    if cursor is not None:
        select_rows = select_rows.where(after(cursor, Message.timestamp, Message.id))
    select_rows = select_rows.order_by(Message.timestamp.desc(), Message.id.desc()).limit(query.limit + 1)
    with db.reading() as session:
        _visible(session, access, conversation_id)
        found = session.execute(select_rows).scalars().all()
        page = list(reversed(found[: query.limit]))
        rows = message_rows(session, page)
    more = len(found) > query.limit
    return Page(rows, Cursor(page[0].timestamp, page[0].id) if more else None)


def list_contacts(db: Database, access: Access, query: ContactQuery) -> Page[ContactRow]:
    """Newest first. Raises AccountNotFound, PermissionDenied."""
    cursor = Cursor.decode(query.cursor)
    select_rows = select(Contact).where(Contact.account_id == query.account_id)
    if query.q:
        select_rows = select_rows.where(_matches(query.q))
    if cursor is not None:
        select_rows = select_rows.where(after(cursor, Contact.created_at, Contact.id))
    select_rows = select_rows.order_by(Contact.created_at.desc(), Contact.id.desc()).limit(query.limit + 1)
    with db.reading() as session:
        require_account(session, access, query.account_id)
        found: Sequence[Contact] = session.execute(select_rows).scalars().all()
    page = found[: query.limit]
    rows = [contact_row(contact) for contact in page]
    return Page(rows, Cursor(page[-1].created_at, page[-1].id) if len(found) > query.limit else None)


# --- changing ----------------------------------------------------------------------------------------------------


@whole_transaction(idempotent=True)
def mark_read(db: Database, access: Access, conversation_id: UUID) -> ConversationRow:
    """Somebody opened the thread: nothing is unread, and the customer gets the blue ticks."""
    with db.writing() as session:
        conversation = _visible(session, access, conversation_id, lock=True)
        now = db.now(session)
        if conversation.unread_count:
            conversation.unread_count = 0
            conversation.changed_at = now
            newest = _newest_inbound(session, conversation_id)
            if newest is not None:
                jobs.request_receipt(session, conversation.account_id, conversation_id, newest, now, typing=False)
        return _row(session, conversation)


def _newest_inbound(session: Session, conversation_id: UUID) -> str | None:
    query = (
        select(Message.wa_message_id)
        .where(Message.conversation_id == conversation_id, Message.author_kind == Author.CUSTOMER)
        .order_by(Message.timestamp.desc(), Message.id.desc())
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()


@whole_transaction(idempotent=True)
def set_favorite(db: Database, access: Access, conversation_id: UUID, *, favorite: bool) -> ConversationRow:
    """Mark or unmark as favourite."""
    with db.writing() as session:
        conversation = _visible(session, access, conversation_id, lock=True)
        conversation.is_favorite = favorite
        conversation.changed_at = db.now(session)
        return _row(session, conversation)


@whole_transaction(idempotent=True)
def set_bot(db: Database, access: Access, conversation_id: UUID, *, enabled: bool) -> ConversationRow:
    """Let the bot answer this conversation, or not. An answer being generated is void either way (I9)."""
    with db.writing() as session:
        conversation = _visible(session, access, conversation_id, lock=True)
        if conversation.is_group and enabled:
            raise InvalidRequest([FieldProblem("/enabled", "the bot does not answer in groups")])
        switch_bot(conversation, enabled=enabled)
        conversation.changed_at = db.now(session)
        return _row(session, conversation)


@whole_transaction(idempotent=True)
def assign(db: Database, access: Access, conversation_id: UUID, user_id: UUID | None) -> ConversationRow:
    """Hand a conversation to a user who may answer in it, or to nobody.

    Raises ConversationNotFound, PermissionDenied, InvalidRequest.
    """
    with db.writing() as session:
        conversation = _visible(session, access, conversation_id, lock=True)
        if user_id != conversation.assigned_to:
            _check_assignment(session, access.principal, conversation, user_id)
            conversation.assigned_to = user_id
            conversation.changed_at = db.now(session)
        return _row(session, conversation)


def _check_assignment(session: Session, caller: Principal, conversation: Conversation, user_id: UUID | None) -> None:
    """Among oneself and nobody, everybody may; others are an administrator's to move."""
    others = {str(each) for each in (conversation.assigned_to, user_id) if each is not None} - {caller.id}
    if others and not caller.may(Permission.ACCOUNTS_ASSIGN, conversation.account_id):
        raise PermissionDenied("Only who may assign can give a conversation to others, or take it from them.")
    if user_id is not None and not _may_answer(session, user_id, conversation.account_id):
        raise InvalidRequest([FieldProblem("/user_id", "is not a user who may answer in this conversation")])


def _may_answer(session: Session, user_id: UUID, account_id: UUID) -> bool:
    user = session.get(User, user_id)
    if user is None or user.disabled_at is not None:
        return False
    return principal_of(session, user).may(Permission.MESSAGES_SEND, account_id)


@dataclass(frozen=True, slots=True)
class Draft:
    """What an agent wants to send."""

    conversation_id: UUID
    content: str
    client_key: str | None = None
    reply_to: UUID | None = None


def send_message(db: Database, access: Access, draft: Draft, *, bot_stays_out: timedelta) -> MessageRow:
    """Store an agent's message with its outbox entry, or neither (I5). The same client key gives the same message.

    So does the same call, repeated after a connection broke: the message has its id before the first attempt.
    Raises ConversationNotFound, ReplyWindowClosed, IdempotencyConflict, InvalidRequest.
    """
    if not draft.content.strip():
        raise InvalidRequest([FieldProblem("/content", "must hold some text")])
    message_id = new_id()
    try:
        return _send_message(db, access, draft, bot_stays_out, message_id)
    except IntegrityError:
        # Two requests with one key raced in different conversations; now the first one can be seen.
        return _send_message(db, access, draft, bot_stays_out, message_id)


@whole_transaction(idempotent=True)
def _send_message(db: Database, access: Access, draft: Draft, bot_stays_out: timedelta, message_id: UUID) -> MessageRow:
    with db.writing() as session:
        conversation = _visible(session, access, draft.conversation_id, lock=True)
        earlier = _sent_before(session, conversation.account_id, draft, message_id)
        if earlier is not None:
            return message_rows(session, [earlier])[0]
        now = db.now(session)
        check_window(conversation, now)
        quoted = _quoted(session, draft)
        message = outbound_message(
            conversation,
            draft.content,
            now,
            author=Author.AGENT,
            author_id=access.principal.id,
            name=access.principal.name,
        )
        message.id = message_id
        message.client_key = draft.client_key
        message.reply_to, message.reply_to_wa_id = (quoted.id, quoted.wa_message_id) if quoted else (None, None)
        queue(session, conversation, message, now)
        person_replied(conversation, now, bot_stays_out)
        return message_rows(session, [message])[0]


def _sent_before(session: Session, account_id: UUID, draft: Draft, message_id: UUID) -> Message | None:
    """What an earlier attempt at this call stored, or an earlier request with its key.

    Raises IdempotencyConflict when the key was used for something else.
    """
    if draft.client_key is None:
        return session.get(Message, message_id)
    query = select(Message).where(Message.account_id == account_id, Message.client_key == draft.client_key)
    message = session.execute(query).scalar_one_or_none()
    if message is None:
        return None
    same = (message.conversation_id, message.content_text, message.reply_to)
    if same != (draft.conversation_id, draft.content, draft.reply_to):
        raise IdempotencyConflict
    return message


def _quoted(session: Session, draft: Draft) -> Message | None:
    if draft.reply_to is None:
        return None
    message = session.get(Message, draft.reply_to)
    if message is None or message.conversation_id != draft.conversation_id:
        raise InvalidRequest([FieldProblem("/reply_to", "is not a message of this conversation")])
    if message.wa_message_id is None:
        raise InvalidRequest([FieldProblem("/reply_to", "has not reached WhatsApp yet, so it cannot be quoted")])
    return message


def check_window(conversation: Conversation, now: datetime) -> None:
    """Raises ReplyWindowClosed when WhatsApp would refuse free text."""
    expires = window_expires_at(conversation)
    if expires is None or expires <= now:
        raise ReplyWindowClosed


def outbound_message(
    conversation: Conversation, text: str, now: datetime, *, author: Author, author_id: str | None, name: str | None
) -> Message:
    """A text to be sent, at the end of its thread even if WhatsApp's clock is ahead of ours."""
    return Message(
        id=new_id(),
        account_id=conversation.account_id,
        conversation_id=conversation.id,
        direction=Direction.OUTBOUND,
        message_type="text",
        content_text=text[:MAX_TEXT],
        payload={},
        timestamp=max(now, conversation.updated_at),
        stored_at=now,
        author_kind=author,
        author_id=author_id,
        author_name=name,
        status=MessageStatus.QUEUED,
        attempts=0,
    )


def queue(session: Session, conversation: Conversation, message: Message, now: datetime) -> None:
    """Store `message` with its outbox entry. The caller holds the conversation's row (I5)."""
    session.add(message)
    session.flush()
    note_message(conversation, message.timestamp, message.content_text)
    conversation.changed_at = now
    store.enqueue_send(session, message, now)


@whole_transaction
def resend(db: Database, access: Access, message_id: UUID, *, bot_stays_out: timedelta) -> MessageRow:
    """Send a failed or unconfirmed message again, because a person says so. Raises MessageNotFound, NotResendable."""
    with db.writing() as session:
        message = session.get(Message, message_id)
        if message is None or not access.allows(message.account_id):
            raise MessageNotFound
        conversation = _visible(session, access, message.conversation_id, lock=True)
        store.lock_lane(session, conversation.id)
        session.refresh(message, with_for_update=True)
        if message.status not in (MessageStatus.FAILED, MessageStatus.UNCONFIRMED):
            raise NotResendable
        now = db.now(session)
        check_window(conversation, now)
        settle.resend(session, message, now)
        person_replied(conversation, now, bot_stays_out)
        conversation.changed_at = now
        return message_rows(session, [message])[0]
