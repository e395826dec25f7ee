"""A database with so many rows that reading a whole table, or sorting one, is never the better plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import DeclarativeBase, Session

from inbox.auth.access import Role
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import (
    Account,
    Annotation,
    AuditEntry,
    Contact,
    ContactChange,
    Conversation,
    DeadLetter,
    Incident,
    Job,
    Lane,
    Message,
    ParkedStatus,
    PermissionOverride,
    RoleGrant,
    User,
    UserSession,
    WebhookEvent,
)
from tests.benchmarks.scale_fill import Filler
from tests.builders import the_account

CONVERSATIONS, MESSAGES, OTHERS = 20_000, 100_000, 10_000
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
    contacts, talks = [], []
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
                "id": new_id(),
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


def _work(session: Session) -> Iterable[tuple[type[DeclarativeBase], Rows]]:
    """Answers and sends that are due in an hour."""
    later, fields = NOW + 3600 * SECOND, ("conversation_id", "account_id")
    found = session.execute(select(Conversation.id, Conversation.account_id).limit(OTHERS))
    talks = [dict(zip(fields, row, strict=True)) for row in found]
    yield Job, ({"id": new_id(), **talk, "kind": "answer", "due_at": later, "created_at": NOW} for talk in talks)
    yield Lane, ({**talk, "due_at": later} for talk in talks)
