"""Conversations and their messages: what people may do with them. `lists` has what they see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from inbox.auth import audit
from inbox.auth.access import Access, Permission, Principal
from inbox.auth.identities import principal_of
from inbox.clock import new_id
from inbox.conversations.order import LATE, next_position, person_typed
from inbox.conversations.readers import read_through, take_part
from inbox.conversations.resolving import note_done, take_back_done
from inbox.conversations.rows import (
    conversation_rows,
    conversations_shown,
    me,
    message_row,
    new_message_row,
    overtaken_by,
)
from inbox.conversations.schemas import ConversationRow, MessageRow
from inbox.conversations.state import (
    note_message,
    owes_answer,
    pause_ends,
    put_away,
    recount_waiting,
    switch_bot,
    window_expires_at,
)
from inbox.conversations.writing import Draft, Written
from inbox.db import Database
from inbox.db.queries import values_of
from inbox.db.transactions import whole_transaction
from inbox.errors import (
    ContactBlocked,
    ConversationNotFound,
    FieldProblem,
    IdempotencyConflict,
    InvalidRequest,
    MessageNotFound,
    NotResendable,
    Overtaken,
    PermissionDenied,
    ReplyWindowClosed,
)
from inbox.gateways.whatsapp.text import MAX_TEXT, is_visible
from inbox.logs import request_id
from inbox.models import (
    CONVERSATIONS,
    REACTION,
    Account,
    Author,
    Conversation,
    ConversationReader,
    ConversationStatus,
    Direction,
    Message,
    MessageStatus,
    User,
)
from inbox.models.base import server_now
from inbox.outbox import jobs, settle, store
from inbox.outbox.adding import Send, store_sends
from inbox.outbox.outcomes import NOT_HANDED_OVER

# --- one conversation --------------------------------------------------------------------------------------------


def get_conversation(db: Database, access: Access, conversation_id: UUID) -> ConversationRow:
    """One row. Raises ConversationNotFound."""
    with db.reading() as session:
        row = row_of(session, access, conversation_id)
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


def row_of(session: Session, access: Access, conversation_id: UUID) -> ConversationRow:
    """One row, as the caller sees it now. Raises ConversationNotFound."""
    session.flush()  # the statement is about tables, so nothing else makes the session write what has changed
    found = values_of(session.execute(_one(), {"id": conversation_id, **me(access)}))
    if not found:
        raise ConversationNotFound
    return conversation_rows(found)[0]


@cache
def _one() -> Select[Any]:
    return conversations_shown().where(CONVERSATIONS.c.id == bindparam("id"))


# --- changing ----------------------------------------------------------------------------------------------------


@whole_transaction(idempotent=True)
def set_favorite(db: Database, access: Access, conversation_id: UUID, *, favorite: bool) -> ConversationRow:
    """Mark or unmark as favourite."""
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        conversation.is_favorite = favorite
        conversation.touch()
        return row_of(session, access, conversation_id)


@whole_transaction(idempotent=True)
def set_bot(db: Database, access: Access, conversation_id: UUID, *, enabled: bool) -> ConversationRow:
    """Let the bot answer this conversation, or not. An answer being generated is void either way (I9)."""
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        if conversation.is_group and enabled:
            raise InvalidRequest([FieldProblem("/enabled", "no_bot_in_groups", "the bot does not answer in groups")])
        now = db.now(session)
        switch_bot(conversation, enabled=enabled)
        conversation.touch()
        jobs.withdraw_answers(session, [conversation.id])
        if owes_answer(conversation):
            owed = jobs.Owed(conversation.account_id, conversation.id, now)
            jobs.request_answers(session, [owed], now, debounce=0.0)
        return row_of(session, access, conversation_id)


@whole_transaction(idempotent=True)
def set_status(
    db: Database, access: Access, conversation_id: UUID, status: ConversationStatus, *, bot_stays_out: timedelta
) -> ConversationRow:
    """Put a conversation away, or open it again. Done means that nobody need answer; taken back, all waits as before.

    Raises ConversationNotFound.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        change_status(session, access.principal, conversation, status, db.now(session), bot_stays_out)
        return row_of(session, access, conversation_id)


def change_status(
    session: Session,
    caller: Principal,
    conversation: Conversation,
    status: ConversationStatus,
    now: datetime,
    bot_stays_out: timedelta,
) -> None:
    """As set_status, for a caller who holds the conversation's row."""
    if conversation.status == status:
        return
    conversation.touch()
    taken_back = conversation.status == ConversationStatus.DONE
    if status == ConversationStatus.DONE:
        note_done(session, conversation, caller, now)
        if caller.user_id:
            read_through(session, caller, conversation, now)
    elif taken_back:
        take_back_done(session, conversation)
    put_away(conversation, status)
    recount_waiting(session, conversation)
    if not owes_answer(conversation):
        jobs.withdraw_answers(session, [conversation.id])
    elif taken_back:
        since = pause_ends(conversation, now, bot_stays_out)
        owed = jobs.Owed(conversation.account_id, conversation.id, since)
        jobs.request_answers(session, [owed], now, debounce=0.0)


@whole_transaction(idempotent=True)
def assign(db: Database, access: Access, conversation_id: UUID, user_id: UUID | None) -> ConversationRow:
    """Hand a conversation to a user who may answer in it, or to nobody.

    Raises ConversationNotFound, PermissionDenied, InvalidRequest.
    """
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        give_to(session, access.principal, conversation, user_id)
        return row_of(session, access, conversation_id)


def give_to(
    session: Session,
    caller: Principal,
    conversation: Conversation,
    user_id: UUID | None,
    may: Callable[[Session, UUID, UUID], bool] | None = None,
) -> None:
    """As assign, for a caller who holds the conversation's row. `may`: as may_answer, where many are given."""
    if user_id == conversation.assigned_to:
        return
    _check_assignment(session, caller, conversation, user_id, may or may_answer)
    conversation.assigned_to = user_id
    if user_id is not None:
        take_part(session, conversation, user_id)
    conversation.touch()


def _check_assignment(
    session: Session,
    caller: Principal,
    conversation: Conversation,
    user_id: UUID | None,
    may: Callable[[Session, UUID, UUID], bool],
) -> None:
    """Among oneself and nobody, everybody may; others are an administrator's to move."""
    others = {str(each) for each in (conversation.assigned_to, user_id) if each is not None} - {caller.id}
    if others and not caller.may(Permission.ACCOUNTS_ASSIGN, conversation.account_id):
        raise PermissionDenied(
            "You need accounts.assign to hand a conversation to somebody else, or to take it from them."
        )
    if user_id is not None and not may(session, user_id, conversation.account_id):
        sentence = "is not a user who may answer in this conversation"
        raise InvalidRequest([FieldProblem("/user_id", "may_not_answer", sentence)])


def may_answer(session: Session, user_id: UUID, account_id: UUID) -> bool:
    """Whether this user may be given conversations of this number."""
    user = session.get(User, user_id)
    if user is None or user.disabled_at is not None:
        return False
    return principal_of(session, user).may(Permission.MESSAGES_SEND, account_id)


def send_message(db: Database, access: Access, draft: Draft, *, bot_stays_out: timedelta) -> MessageRow:
    """Store an agent's message with its outbox entry, or neither (I5). The same client key gives the same message.

    So does the same call, repeated after a connection broke: the message has its id before the first attempt.
    A person who replies has read the thread, to what `draft` says they have seen; a key has no eyes.
    Raises ConversationNotFound, ReplyWindowClosed, IdempotencyConflict, Overtaken, InvalidRequest.
    """
    if isinstance(draft.content, str):
        require_visible(draft.content, "/content")
    message_id = new_id()
    try:
        return _send_message(db, access, draft, bot_stays_out, message_id)
    except IntegrityError:
        # Two requests with one key raced in different conversations; now the first one can be seen.
        return _send_message(db, access, draft, bot_stays_out, message_id)


@whole_transaction(idempotent=True)
def _send_message(db: Database, access: Access, draft: Draft, bot_stays_out: timedelta, message_id: UUID) -> MessageRow:
    with db.writing() as session:
        conversation, earlier, beyond_team, now = _place_of(session, access, draft, message_id)
        if earlier is not None:
            return message_row(session, _same(session, earlier, draft).id)
        check_blocked(conversation)
        if not draft.written.any_time:
            check_window(conversation, now)
        quoted = _quoted(session, draft)
        seen = _seen(session, draft)
        if seen is not None:
            _check_overtaken(session, seen, access.principal.id)
        written = draft.written.write(session, conversation)
        message = outbound_message(
            conversation,
            written,
            now,
            author=Author.AGENT,
            author_id=access.principal.id,
            name=access.principal.name,
        )
        message.id, message.changed_at = message_id, now
        message.client_key = draft.client_key
        message.reply_to, message.reply_to_wa_id = (quoted.id, quoted.wa_message_id) if quoted else (None, None)
        if access.principal.user_id and conversation.unread_count + beyond_team > 0:
            read_through(session, access.principal, conversation, now, seen)
        queue_all(session, [(conversation, Send(message, withdraw_answers=True))], now)
        if written.stored is not None:
            written.stored(session, message)
        person_typed(conversation, now, bot_stays_out)
        return new_message_row(message, quoted)


#: The conversation, locked; the time after that; and what an earlier attempt at this call has stored, or an earlier
#: request with its key. One that committed while this waited for the lock is not seen: the key then refuses the row.
_LOCKED = (
    select(Conversation)
    .join(Account, Conversation.account_id == Account.id)
    .where(Conversation.id == bindparam("conversation_id"), Account.deleted_at.is_(None))
    .with_for_update(of=Conversation)
    .cte("locked")
)
_KEYED = select(Message.id).where(
    Message.client_key == bindparam("client_key"), Message.account_id == _LOCKED.c.account_id
)
_REPEATED = select(Message.id).where(Message.id == bindparam("message_id"))
_BEYOND_TEAM = select(ConversationReader.beyond_team).where(
    ConversationReader.conversation_id == _LOCKED.c.id, ConversationReader.user_id == bindparam("user_id")
)
_PLACE = select(
    aliased(Conversation, _LOCKED),
    func.coalesce(_KEYED.scalar_subquery(), _REPEATED.scalar_subquery()),
    func.coalesce(_BEYOND_TEAM.scalar_subquery(), 0),
    server_now(),
)


def _place_of(
    session: Session, access: Access, draft: Draft, message_id: UUID
) -> tuple[Conversation, UUID | None, int, datetime]:
    """Where the draft belongs, the id of what it has become already, what is new to the caller beyond the team's
    number, and the time. Raises ConversationNotFound.
    """
    wanted = {
        "conversation_id": draft.conversation_id,
        "client_key": draft.client_key,
        "message_id": message_id,
        "user_id": access.principal.user_id,
    }
    found = session.execute(_PLACE, wanted).one_or_none()
    if found is None or not access.allows(found[0].account_id):
        raise ConversationNotFound
    conversation, earlier, beyond_team, now = found
    return conversation, earlier, beyond_team, now


def _same(session: Session, earlier: UUID, draft: Draft) -> Message:
    """The message that this draft has become. Raises IdempotencyConflict when its key was used for something else."""
    message = session.get_one(Message, earlier)
    same = (message.conversation_id, message.reply_to) == (draft.conversation_id, draft.reply_to)
    if not same or not draft.written.is_of(message):
        raise IdempotencyConflict
    return message


def message_of(session: Session, conversation_id: UUID, message_id: UUID, pointer: str) -> Message:
    """The message that the field at `pointer` names. Raises InvalidRequest for one of another conversation."""
    message = session.get(Message, message_id)
    if message is None or message.conversation_id != conversation_id:
        raise not_of_this_conversation(pointer)
    return message


def not_of_this_conversation(pointer: str) -> InvalidRequest:
    """The field at `pointer` names a message that is somewhere else, or nowhere."""
    sentence = "is not a message of this conversation"
    return InvalidRequest([FieldProblem(pointer, "not_of_this_conversation", sentence)])


def require_visible(text: str, pointer: str) -> None:
    """Raises InvalidRequest for a text in which nobody can see anything."""
    if not is_visible(text):
        raise InvalidRequest([FieldProblem(pointer, "invisible", "must hold some visible text")])


def _quoted(session: Session, draft: Draft) -> Message | None:
    if draft.reply_to is None:
        return None
    message = message_of(session, draft.conversation_id, draft.reply_to, "/reply_to")
    if message.wa_message_id is None:
        sentence = "has not reached WhatsApp yet, so it cannot be quoted"
        raise InvalidRequest([FieldProblem("/reply_to", "not_quotable_yet", sentence)])
    return message


def _seen(session: Session, draft: Draft) -> Message | None:
    """The newest message the writer has seen, where the draft says it."""
    if draft.seen_through is None:
        return None
    return message_of(session, draft.conversation_id, draft.seen_through, "/seen_through")


def _check_overtaken(session: Session, seen: Message, me: str) -> None:
    """Raises Overtaken when others, or the bot, have answered what the agent had not seen answered."""
    by_a_colleague = (Message.author_kind == Author.AGENT) & Message.author_id.is_distinct_from(me)
    query = (
        select(Message)
        .where(
            Message.conversation_id == seen.conversation_id,
            Message.position > seen.position,
            Message.timestamp >= seen.timestamp - LATE,  # for the index; a reply from the phone app comes late
            (Message.author_kind == Author.BOT) | by_a_colleague,
            Message.message_type != REACTION,
            Message.status != MessageStatus.FAILED,
        )
        .order_by(Message.timestamp.desc(), Message.id.desc())
        .limit(1)
    )
    answer = session.execute(query).scalar_one_or_none()
    if answer is not None:
        raise Overtaken(extra=overtaken_by(answer))


def check_blocked(conversation: Conversation) -> None:
    """Raises ContactBlocked: nobody writes to somebody they have blocked without knowing it."""
    if conversation.blocked_at is not None:
        raise ContactBlocked


def check_window(conversation: Conversation, now: datetime) -> None:
    """Raises ReplyWindowClosed when WhatsApp would refuse free text."""
    expires = window_expires_at(conversation)
    if expires is None or expires <= now:
        raise ReplyWindowClosed


def outbound_message(
    conversation: Conversation,
    content: str | Written,
    now: datetime,
    *,
    author: Author,
    author_id: str | None,
    name: str | None,
) -> Message:
    """A message to be sent, at the end of its thread even if WhatsApp's clock is ahead of ours."""
    written = Written("text", content[:MAX_TEXT], {}) if isinstance(content, str) else content
    return Message(
        id=new_id(),
        account_id=conversation.account_id,
        conversation_id=conversation.id,
        direction=Direction.OUTBOUND,
        message_type=written.type,
        content_text=written.text,
        payload=written.payload,
        media_id=written.media_id,
        media_mime_type=written.media_mime_type,
        media_filename=written.media_filename,
        timestamp=max(now, conversation.updated_at),
        stored_at=now,
        author_kind=author,
        author_id=author_id,
        author_name=name,
        request_id=request_id(),
        awaits_answer=False,
        status=MessageStatus.QUEUED,
        attempts=0,
    )


def queue(session: Session, conversation: Conversation, message: Message, now: datetime) -> None:
    """Store `message` with its outbox entry. The caller holds the conversation's row (I5)."""
    queue_all(session, [(conversation, Send(message))], now)


def queue_all(session: Session, sends: Sequence[tuple[Conversation, Send]], now: datetime) -> None:
    """As `queue`, for messages of different conversations."""
    for conversation, send in sends:
        message = send.message
        if conversation.waiting_since is not None and _answers(message):
            message.answered_after = max(0, int((now - conversation.waiting_since).total_seconds()))
        message.position = next_position(conversation)
        note_message(conversation, message.id, message.timestamp, message.content_text)
    store_sends(session, [send for _, send in sends], now)


def _answers(message: Message) -> bool:
    return message.author_kind in (Author.AGENT, Author.BOT) and message.message_type != REACTION


@whole_transaction
def resend(db: Database, access: Access, message_id: UUID, *, bot_stays_out: timedelta) -> MessageRow:
    """Send a failed or unconfirmed message again, because a person says so. Raises MessageNotFound, NotResendable."""
    with db.writing() as session:
        message = session.get(Message, message_id)
        if message is None or not access.allows(message.account_id):
            raise MessageNotFound
        conversation = visible(session, access, message.conversation_id, lock=True)
        store.lock_lane(session, conversation.id)
        message = session.get(Message, message_id, with_for_update=True, populate_existing=True)
        if message is None:  # too old by now, and deleted
            raise MessageNotFound
        if message.status not in (MessageStatus.FAILED, MessageStatus.UNCONFIRMED):
            raise NotResendable
        if message.message_type == REACTION:
            raise NotResendable("React again instead: this reaction may have been replaced since.")
        check_blocked(conversation)
        now = db.now(session)
        if message.message_type != "template":
            check_window(conversation, now)
        settle.resend(session, message, now)
        audit.record(session, access.principal, "message.resent", now, target=message.id, account_id=message.account_id)
        if (message.media_id or "").startswith(NOT_HANDED_OVER):
            jobs.request_media(session, {conversation.id: conversation.account_id}, now)
        message.position = next_position(conversation)  # it answers what has been asked until now
        person_typed(conversation, now, bot_stays_out)
        jobs.withdraw_answers(session, [conversation.id])
        conversation.touch()
        return message_row(session, message.id)
