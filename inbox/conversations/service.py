"""Conversations and their messages: what people may do with them. `lists` has what they see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from inbox.auth.access import Access, Permission, Principal
from inbox.auth.identities import principal_of
from inbox.clock import new_id
from inbox.conversations.order import next_position, person_typed
from inbox.conversations.rows import (
    CONVERSATION,
    conversation_rows,
    message_row,
)
from inbox.conversations.schemas import ConversationRow, MessageRow
from inbox.conversations.state import note_message, owes_answer, switch_bot, window_expires_at
from inbox.db import Database
from inbox.db.queries import values_of
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
from inbox.gateways.whatsapp.text import MAX_TEXT, is_visible
from inbox.models import (
    ACCOUNTS,
    CONTACTS,
    CONVERSATIONS,
    Account,
    Author,
    Conversation,
    Direction,
    Message,
    MessageStatus,
    User,
)
from inbox.outbox import jobs, settle, store

# --- one conversation --------------------------------------------------------------------------------------------


def get_conversation(db: Database, access: Access, conversation_id: UUID) -> ConversationRow:
    """One row. Raises ConversationNotFound."""
    with db.reading() as session:
        row = _row(session, conversation_id)
    if not access.allows(row.account_id):
        raise ConversationNotFound
    return row


def visible(session: Session, access: Access, conversation_id: UUID, *, lock: bool = False) -> Conversation:
    """A conversation the caller may see; another account's is as good as missing. Raises ConversationNotFound."""
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


_ONE = (
    select(*CONVERSATION)
    .join(CONTACTS, CONVERSATIONS.c.contact_id == CONTACTS.c.id)
    .join(ACCOUNTS, CONVERSATIONS.c.account_id == ACCOUNTS.c.id)
    .where(CONVERSATIONS.c.id == bindparam("id"), ACCOUNTS.c.deleted_at.is_(None))
)


def _row(session: Session, conversation_id: UUID) -> ConversationRow:
    session.flush()  # the statement is about tables, so nothing else makes the session write what has changed
    found = values_of(session.execute(_ONE, {"id": conversation_id}))
    if not found:
        raise ConversationNotFound
    return conversation_rows(found)[0]


# --- changing ----------------------------------------------------------------------------------------------------


@whole_transaction(idempotent=True)
def mark_read(db: Database, access: Access, conversation_id: UUID) -> ConversationRow:
    """Somebody opened the thread: nothing is unread, and the customer gets the blue ticks.

    Not by somebody who cannot write there: what only they have read still waits for the team, and the customer would
    take blue ticks for a promise.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        now = db.now(session)
        if conversation.unread_count and access.principal.may(Permission.MESSAGES_SEND, conversation.account_id):
            conversation.unread_count = 0
            conversation.changed_at = now
            newest = _newest_inbound(session, conversation_id)
            if newest is not None:
                jobs.request_receipt(session, conversation.account_id, conversation_id, newest, now, typing=False)
        return _row(session, conversation_id)


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
        conversation = visible(session, access, conversation_id, lock=True)
        conversation.is_favorite = favorite
        conversation.changed_at = db.now(session)
        return _row(session, conversation_id)


@whole_transaction(idempotent=True)
def set_bot(db: Database, access: Access, conversation_id: UUID, *, enabled: bool) -> ConversationRow:
    """Let the bot answer this conversation, or not. An answer being generated is void either way (I9)."""
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        if conversation.is_group and enabled:
            raise InvalidRequest([FieldProblem("/enabled", "the bot does not answer in groups")])
        now = db.now(session)
        switch_bot(conversation, enabled=enabled)
        conversation.changed_at = now
        jobs.withdraw_answers(session, [conversation.id])
        if owes_answer(conversation):
            owed = jobs.Owed(conversation.account_id, conversation.id, now)
            jobs.request_answers(session, [owed], now, debounce=0.0)
        return _row(session, conversation_id)


@whole_transaction(idempotent=True)
def assign(db: Database, access: Access, conversation_id: UUID, user_id: UUID | None) -> ConversationRow:
    """Hand a conversation to a user who may answer in it, or to nobody.

    Raises ConversationNotFound, PermissionDenied, InvalidRequest.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        if user_id != conversation.assigned_to:
            _check_assignment(session, access.principal, conversation, user_id)
            conversation.assigned_to = user_id
            conversation.changed_at = db.now(session)
        return _row(session, conversation_id)


def _check_assignment(session: Session, caller: Principal, conversation: Conversation, user_id: UUID | None) -> None:
    """Among oneself and nobody, everybody may; others are an administrator's to move."""
    others = {str(each) for each in (conversation.assigned_to, user_id) if each is not None} - {caller.id}
    if others and not caller.may(Permission.ACCOUNTS_ASSIGN, conversation.account_id):
        raise PermissionDenied(
            "You need accounts.assign to hand a conversation to somebody else, or to take it from them."
        )
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
    if not is_visible(draft.content):
        raise InvalidRequest([FieldProblem("/content", "must hold some visible text")])
    message_id = new_id()
    try:
        return _send_message(db, access, draft, bot_stays_out, message_id)
    except IntegrityError:
        # Two requests with one key raced in different conversations; now the first one can be seen.
        return _send_message(db, access, draft, bot_stays_out, message_id)


@whole_transaction(idempotent=True)
def _send_message(db: Database, access: Access, draft: Draft, bot_stays_out: timedelta, message_id: UUID) -> MessageRow:
    with db.writing() as session:
        conversation = visible(session, access, draft.conversation_id, lock=True)
        earlier = _sent_before(session, conversation.account_id, draft, message_id)
        if earlier is not None:
            return message_row(session, earlier)
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
        _person_typed(session, conversation, now, bot_stays_out)
        return message_row(session, message)


def _person_typed(session: Session, conversation: Conversation, now: datetime, bot_stays_out: timedelta) -> None:
    person_typed(conversation, now, bot_stays_out)
    jobs.withdraw_answers(session, [conversation.id])


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
    message.position = next_position(conversation)
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
        conversation = visible(session, access, message.conversation_id, lock=True)
        store.lock_lane(session, conversation.id)
        session.refresh(message, with_for_update=True)
        if message.status not in (MessageStatus.FAILED, MessageStatus.UNCONFIRMED):
            raise NotResendable
        now = db.now(session)
        check_window(conversation, now)
        settle.resend(session, message, now)
        message.position = next_position(conversation)  # it answers what has been asked until now
        _person_typed(session, conversation, now, bot_stays_out)
        conversation.changed_at = now
        return message_row(session, message)
