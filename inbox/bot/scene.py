"""What the bot sees of a conversation when it begins: who writes, what awaits an answer, and what was said before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, func, select, true, union
from sqlalchemy.orm import Session

from inbox.accounts.hours import bot_from
from inbox.bot.model import some_rest
from inbox.bot.profiles import NO_PROFILE
from inbox.bot.prompt import MAX_HISTORY
from inbox.contacts.lists import shown_name
from inbox.conversations.quotes import quoted_texts
from inbox.conversations.state import owes_answer, pause_ends
from inbox.db import chosen
from inbox.db.writes import given_rows
from inbox.knowledge.finding import knows_more
from inbox.models import Account, Author, BotProfile, Contact, Conversation, Message, UTCDateTime

_SHORT_QUESTION = 20  # characters


@dataclass(frozen=True, slots=True)
class Scene:
    """What the bot sees when it begins."""

    conversation: Conversation
    number: Account
    customer_name: str | None
    messages: Sequence[Message]  #: as the model sees them: what was said, then what awaits an answer
    quoted: dict[str, str]  #: what they quote and we hold: its text by wa id
    waiting: Sequence[Message]  #: those that await an answer, of the customer, at least one
    profile_version: int
    answers_this_hour: int
    models_rest: bool  #: some model may not be asked at the moment
    knows_more: bool  #: the number has something that was read beside its profile
    now: datetime

    @property
    def newest(self) -> datetime:
        """When the customer wrote last."""
        return max(message.timestamp for message in self.waiting)

    @property
    def said(self) -> str:
        """All that the customer has written lately."""
        return "\n".join(each.content_text for each in self.messages if each.author_kind == Author.CUSTOMER)

    @property
    def question(self) -> str:
        """What the customer asks; a short one with what they wrote before it, which it may go on from."""
        asked = " ".join(message.content_text for message in self.waiting)
        before = [message for message in self.messages if message.author_kind == Author.CUSTOMER]
        earlier = before[-len(self.waiting) - 1 : -len(self.waiting)]
        return " ".join([asked, *(message.content_text for message in earlier if len(asked) < _SHORT_QUESTION)])


def scenes_of(
    session: Session, conversation_ids: Iterable[UUID], now: datetime, bot_stays_out: timedelta
) -> dict[UUID, Scene]:
    """By conversation. One is missing where nothing awaits an answer that the bot may give now."""
    dialect = session.get_bind().dialect.name
    asked = {"conversations": sorted(conversation_ids), "hour_ago": now - timedelta(hours=1), "now": now}
    who = [
        found
        for found in session.execute(_who(dialect), asked)
        if may_speak(found.Conversation, now, bot_stays_out) and bot_from(found.Account, now) <= now
    ]
    said = _said(session, [found.Conversation for found in who])
    return {
        found.Conversation.id: _scene(session, found, *said[found.Conversation.id], now)
        for found in who
        if said[found.Conversation.id][0]
    }


def _scene(
    session: Session, found: Row[Any], waiting: Sequence[Message], before: Sequence[Message], now: datetime
) -> Scene:
    conversation: Conversation = found.Conversation
    messages = [*before, *waiting]
    return Scene(
        conversation=conversation,
        number=found.Account,
        customer_name=shown_name(found.Contact),
        messages=messages,
        quoted=quoted_texts(session, conversation.account_id, messages),
        waiting=waiting,
        profile_version=found.version or NO_PROFILE,
        answers_this_hour=found.answers,
        models_rest=found.models_rest,
        knows_more=found.knows_more,
        now=now,
    )


@cache
def _who(dialect: str) -> Select[Any]:
    answers = select(func.count()).where(
        Message.conversation_id == Conversation.id,
        Message.timestamp >= bindparam("hour_ago", type_=UTCDateTime()),
        Message.author_kind == Author.BOT,
    )
    return (
        select(
            Conversation,
            Contact,
            Account,
            BotProfile.version,
            answers.scalar_subquery().label("answers"),
            some_rest(bindparam("now", type_=UTCDateTime())).label("models_rest"),
            knows_more(Conversation.account_id).label("knows_more"),
        )
        .join(Contact, Conversation.contact_id == Contact.id)
        .join(Account, Conversation.account_id == Account.id)
        .outerjoin(BotProfile, BotProfile.account_id == Account.id)
        .where(chosen(dialect, Conversation.id, "conversations"))
    )


def may_speak(conversation: Conversation, now: datetime, bot_stays_out: timedelta) -> bool:
    """Whether the bot owes this conversation an answer that it may give now."""
    return owes_answer(conversation) and pause_ends(conversation, now, bot_stays_out) <= now


def _newest(thread: Any, answered_through: Any) -> Iterator[Select[UUID]]:
    """What is read of a thread: the newest that nobody has answered, and the newest of all."""
    of_thread = select(Message.id).where(Message.conversation_id == thread)
    waiting = of_thread.where(Message.awaits_answer, Message.position > answered_through)
    yield waiting.order_by(Message.position.desc()).limit(2 * MAX_HISTORY)
    yield of_thread.order_by(Message.timestamp.desc(), Message.id.desc()).limit(2 * MAX_HISTORY)


def _of_threads() -> Select[Message]:
    """On PostgreSQL: of several threads, which an array for each column tells."""
    given = given_rows(Conversation.__table__, ("id", "answered_through"))
    newest = [each.lateral() for each in _newest(given.c.id, given.c.answered_through)]
    found = union(*(select(each.c.id).select_from(given).join(each, true()) for each in newest))
    return select(Message).where(Message.id.in_(found))


def _of_thread() -> Select[Message]:
    """On SQLite, which knows no lateral joins: of one."""
    newest = _newest(bindparam("all_id"), bindparam("all_answered_through"))
    return select(Message).where(Message.id.in_(union(*(select(each.subquery().c.id) for each in newest))))


_OF_THREADS, _OF_THREAD = _of_threads(), _of_thread()


def _messages(session: Session, conversations: Sequence[Conversation]) -> Iterator[Message]:
    if not conversations:
        return
    if session.get_bind().dialect.name == "postgresql":
        given = {
            "all_id": [each.id for each in conversations],
            "all_answered_through": [each.answered_through for each in conversations],
        }
        yield from session.execute(_OF_THREADS, given).scalars()
        return
    for each in conversations:
        yield from session.execute(
            _OF_THREAD, {"all_id": each.id, "all_answered_through": each.answered_through}
        ).scalars()


def _said(
    session: Session, conversations: Sequence[Conversation]
) -> dict[UUID, tuple[Sequence[Message], Sequence[Message]]]:
    """The customer's messages that nobody has answered, in the order they were written; and what was said around them,
    in the order of the thread: a prompt ends with what awaits an answer. By conversation."""
    by_id = {each.id: each for each in conversations}
    said: dict[UUID, tuple[list[Message], list[Message]]] = {each: ([], []) for each in by_id}
    for message in _messages(session, conversations):
        waiting, before = said[message.conversation_id]
        if message.awaits_answer and message.position > by_id[message.conversation_id].answered_through:
            waiting.append(message)
        elif not message.payload.get("revoked"):
            before.append(message)
    for waiting, before in said.values():
        waiting.sort(key=lambda message: (message.timestamp, message.position))
        before.sort(key=lambda message: (message.timestamp, message.id))
    return dict(said)
