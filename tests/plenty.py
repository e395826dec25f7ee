"""A database with so many rows that reading a whole table, or sorting one, is never the better plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Session

from inbox.auth.access import Role
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import (
    Account,
    Annotation,
    AuditEntry,
    CannedReply,
    Contact,
    ContactChange,
    Conversation,
    ConversationLabel,
    ConversationReader,
    DeadLetter,
    Erasure,
    GoneConversation,
    Incident,
    Job,
    KnowledgePassage,
    KnowledgeSource,
    Label,
    Lane,
    Message,
    Note,
    ParkedStatus,
    PermissionOverride,
    Resolution,
    RoleGrant,
    SavedDraft,
    User,
    UserSession,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from tests.benchmarks.scale_fill import Filler
from tests.builders import the_account

CONVERSATIONS, MESSAGES, OTHERS, LABELS = 20_000, 100_000, 10_000, 100
SECOND = timedelta(seconds=1)
NOW = utc_now()
Rows = Iterable[dict[str, Any]]


def fill(db: Database) -> None:
    """Several accounts, the first with nine tenths of everything, and thousands of rows in all other tables."""
    if db.is_postgres:
        Filler(db.url.render_as_string(hide_password=False).replace("+psycopg", ""), CONVERSATIONS, MESSAGES).run()
    with db.writing() as session:
        tables = [] if db.is_postgres else list(_talks())
        for table, rows in [*tables, *_others(the_account(db))]:
            session.execute(insert(table), list(rows))
        for table, rows in _work(session):
            session.execute(insert(table), list(rows))
    with db.reading() as session:
        session.execute(text("ANALYZE"))


def _talks() -> Iterable[tuple[type[DeclarativeBase], Rows]]:
    accounts = [new_id() for _ in range(6)]
    times = {"created_at": NOW, "updated_at": NOW}
    yield Account, ({"id": i, "name": "n", "phone_number_id": f"3{n}", **times} for n, i in enumerate(accounts))
    contacts, talks, newest = [], [], [new_id() for _ in range(CONVERSATIONS)]
    for n in range(CONVERSATIONS):
        at = NOW - n * 60 * SECOND
        ids = {"id": new_id(), "account_id": accounts[0 if n % 10 else 1 + n // 10 % 5]}
        contacts.append({**ids, "phone": f"336{n:08}", "display_name": f"Customer {n}", "created_at": at})
        talks.append({**ids, "contact_id": ids["id"], "id": new_id(), "updated_at": at, "changed_at": at})
    yield Contact, ({**row, "updated_at": NOW} for row in contacts)
    yield (
        Conversation,
        (
            {
                **row,
                "created_at": row["updated_at"],
                "unread_count": n % 50 == 1,
                "needs_human": n % 200 == 3,
                "waiting_since": row["updated_at"] if n % 50 == 2 else None,
                "status": ("pending", "done", "open")[min(n % 40, 2)],
                "last_message_id": newest[n],
                "assigned_to": new_id() if n % 100 == 7 else None,
                "last_message": "hello",
            }
            for n, row in enumerate(talks)
        ),
    )
    yield (
        Message,
        (
            {
                "id": newest[n] if n < CONVERSATIONS else new_id(),
                "account_id": talks[n % CONVERSATIONS]["account_id"],
                "conversation_id": talks[n % CONVERSATIONS]["id"],
                "direction": "inbound",
                "message_type": "text",
                "content_text": "hello",
                "timestamp": NOW - n * SECOND,
                "stored_at": NOW,
                "wa_message_id": f"wamid.plenty.{n}",
                "author_kind": "customer",
                "status": "received",
            }
            for n in range(MESSAGES)
        ),
    )


def _others(account: Account) -> Iterable[tuple[type[DeclarativeBase], Rows]]:
    """Of the default account, where a table belongs to one."""
    some = [(new_id(), n, NOW - n * SECOND) for n in range(OTHERS)]
    times = {"created_at": NOW, "updated_at": NOW}
    yield User, ({**times, "id": id_, "name": f"User {n}", "created_at": at} for id_, n, at in some)
    yield RoleGrant, ({"id": new_id(), "user_id": id_, "role_id": Role.VIEWER.id} for id_, _, _ in some)
    override = {"permission": "messages.send", "allowed": True}
    yield PermissionOverride, ({"id": new_id(), "user_id": id_, **override} for id_, _, _ in some)
    later = {"created_at": NOW, "expires_at": NOW + 3600 * SECOND}
    yield UserSession, ({"id": new_id(), "user_id": id_, "hash": id_.hex, **later} for id_, _, _ in some)
    made = {"actor_kind": "user", "actor_name": "somebody", "action": "user.disabled", "details": {}, "request_id": "r"}
    yield AuditEntry, ({"id": id_, "at": at, **made} for id_, _, at in some)
    yield DeadLetter, ({"id": id_, "at": at, "reason": "failed", "detail": "", "raw": b"{}"} for id_, _, at in some)
    ended = {"upstream": "gemini", "ended_at": NOW, "affected": {}}
    yield Incident, ({"id": id_, "started_at": at, **ended} for id_, _, at in some)
    done = {"body": b"{}", "size": 2, "received_at": NOW, "state": "done"}
    yield WebhookEvent, ({"id": id_, **done} for id_, _, _ in some)
    heart = {"account_id": account.id, "kind": "reaction", "actor": "business", "content": {}, "timestamp": NOW}
    notes = ({"wa_message_id": f"note.{n}", "target_wa_id": f"wamid.reacted.{n}"} for _, n, _ in some)
    yield Annotation, ({"id": new_id(), **heart, **note} for note in notes)
    merged = {"account_id": account.id, "kind": "identity_changed", "details": {}, "at": NOW}
    someone = {"id": new_id(), "account_id": account.id, **times}
    yield Contact, [someone]
    yield ContactChange, ({"id": id_, "contact_id": someone["id"], "old_phone": f"{n}", **merged} for id_, n, _ in some)
    parked = {"account_id": account.id, "status": "read", "timestamp": NOW, "error": {}}
    yield ParkedStatus, ({"id": id_, "wa_message_id": f"wamid.{n}", "parked_at": at, **parked} for id_, n, at in some)
    gone = {"account_id": account.id, "changed_at": NOW}
    yield GoneConversation, ({"id": id_, **gone} for id_, _, _ in some)
    erased = {"account_id": account.id, "words": [], "requested_at": NOW, "ended_at": NOW}
    yield Erasure, ({"id": id_, "contact_id": id_, "looked_through": id_, "until": id_, **erased} for id_, _, _ in some)
    sources = [new_id() for _ in range(50)]
    page = {"account_id": account.id, "kind": "page", "name": "n", "state": "ready", "passages": OTHERS // 50}
    page |= {"created_at": NOW, "due_at": NOW + 3600 * SECOND}
    yield KnowledgeSource, ({"id": id_, "url": f"https://example.com/{n}", **page} for n, id_ in enumerate(sources))
    said = {"account_id": account.id, "language": "french"}
    said_in = ({"source_id": sources[n % 50], "number": n // 50, "content": f"Pain numéro{n}"} for _, n, _ in some)
    yield KnowledgePassage, ({"id": new_id(), **said, **each} for each in said_in)
    end = {"id": new_id(), "account_id": account.id, "url": "https://example.com/", "events": [], "created_at": NOW}
    yield WebhookEndpoint, [{**end, "secret_encrypted": ""}]
    told = {"account_id": account.id, "endpoint_id": end["id"], "event": "message.received", "data": {}}
    told |= {"state": "delivered", "ended_at": NOW}
    yield WebhookDelivery, ({"id": id_, "event_id": id_, "created_at": at, **told} for id_, _, at in some)


def _work(session: Session) -> Iterable[tuple[type[DeclarativeBase], Rows]]:
    """Answers and sends that are due in an hour."""
    later, fields = NOW + 3600 * SECOND, ("conversation_id", "account_id")
    found = session.execute(select(Conversation.id, Conversation.account_id).limit(OTHERS))
    talks = [dict(zip(fields, row, strict=True)) for row in found]
    yield Job, ({"id": new_id(), **talk, "kind": "answer", "due_at": later, "created_at": NOW} for talk in talks)
    yield Lane, ({**talk, "due_at": later} for talk in talks)
    users = list(session.execute(select(User.id).limit(20)).scalars())
    readers = ({**talk, "user_id": users[n % 20], "beyond_team": int(n % 50 == 1)} for n, talk in enumerate(talks))
    yield ConversationReader, readers
    account_id = session.execute(
        select(Conversation.account_id).group_by(Conversation.account_id).order_by(func.count().desc()).limit(1)
    ).scalar_one()
    yield from _team([talk for talk in talks if talk["account_id"] == account_id], account_id)
    draft = {"mode": "reply", "text": "hello", "version": 1, "changed_at": NOW}
    ids = [talk["conversation_id"] for talk in talks]
    yield SavedDraft, ({**draft, "conversation_id": each, "user_id": users[n % 20]} for n, each in enumerate(ids))


def _team(talks: list[dict[str, Any]], account_id: UUID) -> Iterable[tuple[type[DeclarativeBase], Rows]]:
    """Of the account with most of everything: LABELS labels, the first for a few conversations, and notes."""
    labels = [new_id() for _ in range(LABELS)]
    of_it = {"account_id": account_id, "created_at": NOW, "changed_at": NOW}
    yield Label, ({**of_it, "id": i, "name": f"L{n}", "name_key": f"l{n}", "color": 0} for n, i in enumerate(labels))
    replies = ({"id": new_id(), "shortcut": f"s{n}", "shortcut_key": f"s{n}", "text": "x"} for n in range(LABELS))
    yield CannedReply, ({**of_it, **reply} for reply in replies)
    ids = [talk["conversation_id"] for talk in talks]
    held = ((each, labels[0] if n % 50 == 0 else labels[1 + n % (LABELS - 1)]) for n, each in enumerate(ids))
    yield ConversationLabel, ({"conversation_id": talk, "label_id": label} for talk, label in held)
    ago = [NOW - timedelta(hours=number) for number in range(len(ids))]
    done = {"account_id": account_id, "done_by": "key", "opened_at": NOW - timedelta(days=len(ids))}
    resolved = ({**done, "id": new_id(), "conversation_id": i, "done_at": at} for i, at in zip(ids, ago, strict=True))
    yield Resolution, resolved
    author = {"author_kind": "user", "author_id": str(account_id), "author_name": "somebody", "text": "hello"}
    yield Note, ({**of_it, **author, "id": new_id(), "conversation_id": ids[n // 50]} for n in range(len(ids)))
