"""Tables, enums, named constraints and the indexes that the queries need.

Times are aware UTC in whole milliseconds. Text columns never hold U+0000 or lone surrogates (`webhooks.parse.clean`):
PostgreSQL refuses both.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from inbox.clock import new_id, to_milliseconds

SCHEMA = "0004"  #: the newest migration; a test compares it with the migrations' own head


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC time in whole milliseconds; text that sorts as time on SQLite, timestamptz on PostgreSQL."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        moment = to_milliseconds(value.astimezone(UTC))
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """As the base class makes it of the above. On PostgreSQL one call instead of two: a page has 700 times."""
        return _in_utc if dialect.name == "postgresql" else super().result_processor(dialect, coltype)


def _in_utc(value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own declaration)
        datetime: UTCDateTime(),
        UUID: Uuid(),
        str: Text(),
        int: BigInteger(),
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
        list[str]: JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql"),
    }


class Direction(enum.StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class MessageStatus(enum.StrEnum):
    """What the wire shows. An outbound message only moves forward (I4)."""

    RECEIVED = "received"  #: an inbound message
    QUEUED = "queued"  #: stored with its outbox entry; nothing sent
    SENDING = "sending"  #: claimed by a dispatcher
    UNCONFIRMED = "unconfirmed"  #: it may have been sent; waiting for evidence (I7)
    SENT = "sent"  #: WhatsApp accepted it
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"  #: refused, with error_code and error_detail


class Author(enum.StrEnum):
    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


class JobKind(enum.StrEnum):
    SEND = "send"  #: deliver one outbound message; in order per conversation
    ANSWER = "answer"  #: let the bot answer a conversation
    READ = "read"  #: send a read receipt, perhaps with the typing indicator


class JobState(enum.StrEnum):
    """Of a `send` job; the other kinds only wait or are leased."""

    PENDING = "pending"
    SENDING = "sending"  #: committed before the request leaves: after a crash its outcome is unknown (I8)
    UNKNOWN = "unknown"  #: WhatsApp may have accepted it; due_at is when to look for evidence next


class EventState(enum.StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  #: could not even be split into items; kept for replay


class Account(Base):
    """A business number."""

    __tablename__ = "whatsapp_accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    phone_number_id: Mapped[str] = mapped_column(String(64), unique=True)
    waba_id: Mapped[str | None] = mapped_column(String(64))
    phone_number: Mapped[str | None] = mapped_column(String(32))
    access_token_encrypted: Mapped[str | None]
    verify_token_hash: Mapped[str | None] = mapped_column(String(64))
    bot_auto_on: Mapped[bool] = mapped_column(default=True)
    paused_reason: Mapped[str | None]
    paused_at: Mapped[datetime | None]
    send_not_before: Mapped[datetime | None]  #: the number's cool-down after 130429 and the like
    statuses_through: Mapped[datetime | None]  #: newest send attempt for which a status came back: evidence for I7
    deleted_at: Mapped[datetime | None]  #: out of use and invisible from then on; its rows are purged later
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Contact(Base):
    """A person, or a group. WhatsApp knows people by phone, by business-scoped user id, or by both."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("phone", "account_id"),
        UniqueConstraint("user_id", "account_id"),
        UniqueConstraint("group_id", "account_id"),
        # a parent id may be shared by nobody else, but older samples repeat it: looked up, not unique
        Index(
            "ix_contacts_parent", "account_id", "parent_user_id", postgresql_where=text("parent_user_id IS NOT NULL")
        ),
        Index("ix_contacts_page", "account_id", "created_at", "id"),  # GET /contacts
        # and, where PostgreSQL has pg_trgm, ix_contacts_search: migration 0004
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    phone: Mapped[str | None] = mapped_column(String(32))  #: digits, no plus
    user_id: Mapped[str | None] = mapped_column(String(255))
    parent_user_id: Mapped[str | None] = mapped_column(String(255))
    group_id: Mapped[str | None] = mapped_column(String(255))
    username: Mapped[str | None] = mapped_column(String(255))
    display_name: Mapped[str | None]
    marketing_stopped_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ContactChange(Base):
    """What changed about who a contact is. For audit, and to recognise messages that were written before the change."""

    __tablename__ = "contact_changes"
    __table_args__ = (
        Index("ix_contact_changes_contact", "contact_id", "at"),
        Index("ix_contact_changes_phone", "old_phone", "account_id"),
        Index("ix_contact_changes_user_id", "old_user_id", "account_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))  #: merged | identity_changed
    old_phone: Mapped[str | None] = mapped_column(String(32))
    old_user_id: Mapped[str | None] = mapped_column(String(255))
    details: Mapped[dict[str, Any]]
    at: Mapped[datetime]  #: WhatsApp's time of the message that told us


class Conversation(Base):
    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("contact_id"),  # a contact belongs to one account
        Index("ix_conversations_newest", "account_id", "updated_at", "id"),  # the list
        Index("ix_conversations_changed", "account_id", "changed_at", "id"),  # updated_since
        # the list, narrowed: each holds the few rows that its filter looks for
        Index(
            "ix_conversations_unread",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("unread_count > 0"),
            sqlite_where=text("unread_count > 0"),
        ),
        Index(
            "ix_conversations_needs_human",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("needs_human"),
            sqlite_where=text("needs_human"),
        ),
        Index(
            "ix_conversations_closed",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("status = 'closed'"),
            sqlite_where=text("status = 'closed'"),
        ),
        Index(
            "ix_conversations_assigned",
            "assigned_to",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("assigned_to IS NOT NULL"),
            sqlite_where=text("assigned_to IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16), default="open")
    is_group: Mapped[bool] = mapped_column(default=False)
    is_favorite: Mapped[bool] = mapped_column(default=False)
    unread_count: Mapped[int] = mapped_column(default=0)
    bot_enabled: Mapped[bool] = mapped_column(default=False)
    bot_paused_until: Mapped[datetime | None]  #: set by a person's reply: the bot stays out of their talk
    bot_last_reply_at: Mapped[datetime | None]
    answered_through: Mapped[datetime | None]  #: stored_at of the newest message that somebody has answered
    needs_human: Mapped[bool] = mapped_column(default=False)
    needs_human_reason: Mapped[str | None] = mapped_column(String(64))
    assigned_to: Mapped[UUID | None]  #: a user; no foreign key, since users are disabled and never deleted
    epoch: Mapped[int] = mapped_column(default=0)  #: +1 whenever a person acts: an answer begun before is void (I9)
    last_message: Mapped[str | None]
    last_inbound_at: Mapped[datetime | None]  #: WhatsApp's time of the newest message the customer wrote
    updated_at: Mapped[datetime]  #: time of the newest message; the order of the list
    changed_at: Mapped[datetime]  #: our clock, at every change; what updated_since compares
    created_at: Mapped[datetime]


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (
        # The selective column stands first: an index that begins with the account tempts a planner without statistics
        # (a new installation) to read the whole account.
        UniqueConstraint("wa_message_id", "account_id"),
        Index(
            "uq_messages_client_key",
            "client_key",
            "account_id",
            unique=True,
            postgresql_where=text("client_key IS NOT NULL"),
            sqlite_where=text("client_key IS NOT NULL"),
        ),
        Index("ix_messages_thread", "conversation_id", "timestamp", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    direction: Mapped[str] = mapped_column(String(8))
    message_type: Mapped[str] = mapped_column(String(64))
    content_text: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    timestamp: Mapped[datetime]  #: WhatsApp's clock for inbound, ours for outbound; never rewritten (I3)
    stored_at: Mapped[datetime]
    wa_message_id: Mapped[str | None] = mapped_column(String(512))
    duplicate_wa_message_id: Mapped[str | None] = mapped_column(String(512))  #: accepted twice: see I7 and the log
    reply_to: Mapped[UUID | None]  #: the quoted message, when we hold it
    reply_to_wa_id: Mapped[str | None] = mapped_column(String(512))
    client_key: Mapped[str | None] = mapped_column(String(255))
    author_kind: Mapped[str] = mapped_column(String(16))
    author_id: Mapped[str | None] = mapped_column(String(64))
    author_name: Mapped[str | None]
    media_id: Mapped[str | None] = mapped_column(String(255))
    media_mime_type: Mapped[str | None] = mapped_column(String(255))
    media_filename: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)  #: send attempts begun; part of the callback data (I7)
    attempted_at: Mapped[datetime | None]  #: start of the newest send attempt
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    edited_at: Mapped[datetime | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_title: Mapped[str | None]
    error_detail: Mapped[str | None]


class Annotation(Base):
    """A reaction, edit or revocation of another message. It has its own id and may come before its target."""

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("wa_message_id", "account_id"),
        Index("ix_annotations_target", "target_wa_id", "account_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    wa_message_id: Mapped[str] = mapped_column(String(512))
    target_wa_id: Mapped[str] = mapped_column(String(512))
    kind: Mapped[str] = mapped_column(String(16))  #: reaction | edit | revoke
    actor: Mapped[str] = mapped_column(String(64))  #: contact id, or "business"
    content: Mapped[dict[str, Any]]
    timestamp: Mapped[datetime]


class WebhookEvent(Base):
    """A webhook exactly as it came. The four counts are the terms of I13."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        # the ingester's queue: ids are in order of time, so pruning needs no index of its own
        Index(
            "ix_webhook_events_pending",
            "id",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]  #: bytes
    received_at: Mapped[datetime]
    # The server fills in the rest: the request path binds as little as it can.
    state: Mapped[str] = mapped_column(String(8), server_default=EventState.PENDING)
    attempts: Mapped[int] = mapped_column(server_default="0")
    items: Mapped[int] = mapped_column(server_default="0")
    stored: Mapped[int] = mapped_column(server_default="0")
    duplicates: Mapped[int] = mapped_column(server_default="0")
    dead: Mapped[int] = mapped_column(server_default="0")


class Lease(Base):
    """Work that one process does for all at a time; the others stand by until the lease ends."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[UUID]
    until: Mapped[datetime]


class Process(Base):
    """A live process and its newest report. It deletes its row when it stops; a crashed one's row grows old."""

    __tablename__ = "processes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  #: web | worker | other
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]  #: the database's clock
    report: Mapped[dict[str, Any]]  #: `health.reporter.Report`


class Incident(Base):
    """A time during which an upstream was ill for at least one process."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("ix_incidents_newest", "started_at", "id"),  # GET /admin/incidents
        # one open incident per upstream, whatever the processes do at once
        Index(
            "uq_incidents_open",
            "upstream",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    upstream: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    first_error: Mapped[str | None]  #: class, status, code and phase; no text of anybody's
    affected: Mapped[dict[str, Any]]  #: `health.incidents.Affected`


class IncidentConversation(Base):
    """A conversation that waits because of an open incident: counts it once over all processes, gone at its end."""

    __tablename__ = "incident_conversations"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)  #: no foreign key: it may be gone by now


class Reset(Base):
    """When somebody last asked every process to reset a circuit breaker or the cache."""

    __tablename__ = "resets"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)  #: a breaker's name, or "cache"
    at: Mapped[datetime]


class CoolDown(Base):
    """A quota that is used up until a time, shared because quotas belong to projects, not to processes."""

    __tablename__ = "cool_downs"

    key: Mapped[str] = mapped_column(primary_key=True)  #: such as gemini:gemini-3.5-flash-lite
    until: Mapped[datetime]
    reason: Mapped[str]


class ParkedStatus(Base):
    """A delivery status for an id we do not know yet: merged when the id appears, else pruned. Failures stay longer,
    see `outbox.evidence`."""

    __tablename__ = "parked_statuses"
    __table_args__ = (
        UniqueConstraint("wa_message_id", "account_id", "status", "timestamp"),
        Index("ix_parked_statuses_parked", "parked_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    wa_message_id: Mapped[str] = mapped_column(String(512))
    status: Mapped[str] = mapped_column(String(32))
    timestamp: Mapped[datetime]
    error: Mapped[dict[str, Any]] = mapped_column(default=dict)
    parked_at: Mapped[datetime]


class DeadLetter(Base):
    """An item that could not be handled, whole, with the reason."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index("ix_dead_letters_newest", "at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    event_id: Mapped[UUID | None]  #: no foreign key: a dead letter outlives the pruning of its event
    reason: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str]
    raw: Mapped[bytes] = mapped_column(LargeBinary)  #: a webhook envelope that holds only this item: JSON, UTF-8
    at: Mapped[datetime]
    replayed_at: Mapped[datetime | None]


class Job(Base):
    """The outbox: pending work only. A finished job's row is deleted."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("uq_outbox_message", "message_id", unique=True),
        # claiming the head of a lane
        Index("ix_outbox_lane", "conversation_id", "seq"),
        # at most one send in flight per conversation (I6), whatever the code does
        Index(
            "uq_outbox_in_flight",
            "conversation_id",
            unique=True,
            postgresql_where=text("state = 'sending'"),
            sqlite_where=text("state = 'sending'"),
        ),
        # one pending answer and one pending receipt per conversation (I2)
        Index(
            "uq_outbox_single",
            "conversation_id",
            "kind",
            unique=True,
            postgresql_where=text("kind <> 'send'"),
            sqlite_where=text("kind <> 'send'"),
        ),
        # claiming answers and receipts
        Index(
            "ix_outbox_due",
            "kind",
            "due_at",
            postgresql_where=text("kind <> 'send'"),
            sqlite_where=text("kind <> 'send'"),
        ),
        # looking for evidence about unknown sends
        Index(
            "ix_outbox_unknown",
            "due_at",
            postgresql_where=text("state = 'unknown'"),
            sqlite_where=text("state = 'unknown'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(16))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    seq: Mapped[int] = mapped_column(default=0)  #: place in the lane
    state: Mapped[str] = mapped_column(String(8), default=JobState.PENDING)
    due_at: Mapped[datetime | None]  #: None: only evidence or a person moves it on
    attempts: Mapped[int] = mapped_column(default=0)  #: tries that count towards the growing delay
    held_until: Mapped[datetime | None]  #: of an unknown outcome: nothing written later leaves before (I6)
    resends: Mapped[int] = mapped_column(default=0)  #: automatic repeats of an unknown outcome: once at most (I7)
    lease: Mapped[UUID | None]  #: who works on an answer or a receipt just now; due_at is then when the lease ends
    revision: Mapped[int] = mapped_column(default=0)  #: of an answer: +1 for each customer message that joins it
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class Lane(Base):
    """The queue of sends of one conversation. Locked by whoever adds, claims or settles a send."""

    __tablename__ = "lanes"
    __table_args__ = (
        Index(
            "ix_lanes_due",
            "account_id",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
    )

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    due_at: Mapped[datetime | None]  #: when to look at the lane next: a job is due, a hold or a lease ends. None: empty
    lease: Mapped[UUID | None]  #: the send in flight
    next_seq: Mapped[int] = mapped_column(default=1)


class BotProfile(Base):
    """What the bot knows and how it speaks. One per account."""

    __tablename__ = "bot_profiles"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"), unique=True)
    content: Mapped[dict[str, Any]]  #: `bot.schemas.ProfileContent`
    version: Mapped[int] = mapped_column(default=1)  #: +1 at every edit; part of the cache key
    updated_at: Mapped[datetime]


class User(Base):
    """Somebody of the business. Known by a Supabase subject, by email and password, or invited and not seen yet."""

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_page", "created_at", "id"),)  # GET /admin/users

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)  #: `sub` of the identity provider's tokens
    email: Mapped[str | None] = mapped_column(String(320), unique=True)  #: lower case
    name: Mapped[str | None] = mapped_column(String(200))
    password_hash: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    signed_in_at: Mapped[datetime | None]  #: newest sign-in here, or the first time a token of theirs was seen
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def _one_per_user(table: str, column: str) -> tuple[Index, Index]:
    """One row per user and `column`, everywhere or for each account: NULLs are never equal in a unique index."""
    everywhere = text("account_id IS NULL")
    return (
        Index(
            f"uq_{table}_everywhere",
            "user_id",
            column,
            unique=True,
            postgresql_where=everywhere,
            sqlite_where=everywhere,
        ),
        Index(f"uq_{table}_account", "user_id", column, "account_id", unique=True),
    )


class RoleGrant(Base):
    """A user has a role, for one account or, without one, for all."""

    __tablename__ = "role_grants"
    __table_args__ = _one_per_user("role_grants", "role")

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(16))  #: `auth.access.Role`
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))


class PermissionOverride(Base):
    """One permission added to a user's roles or taken from them, for one account or, without one, for all."""

    __tablename__ = "permission_overrides"
    __table_args__ = _one_per_user("permission_overrides", "permission")

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    permission: Mapped[str] = mapped_column(String(32))  #: `auth.access.Permission`
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    allowed: Mapped[bool]


class UserSession(Base):
    """A local user is signed in. The token has 256 random bits; only its hash is kept."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        Index("ix_user_sessions_user", "user_id"),  # ending them all
        Index("ix_user_sessions_expired", "expires_at"),  # pruning
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    hash: Mapped[str] = mapped_column(String(64), unique=True)  #: SHA-256, hex
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(String(16))  #: shown in lists, so that a key can be recognised
    hash: Mapped[str] = mapped_column(String(64), unique=True)  #: SHA-256, hex; the key itself has 256 random bits
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    account_ids: Mapped[list[str] | None]  #: the accounts its role is for; NULL: all
    expires_at: Mapped[datetime | None]


class AuditEntry(Base):
    """Who changed what, and when: never changed, never deleted by this program. Holds no secret."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_newest", "at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(16))  #: user | key | command | system
    actor_id: Mapped[str | None] = mapped_column(String(64))
    actor_name: Mapped[str]
    action: Mapped[str] = mapped_column(String(64))  #: such as user.disabled
    target_id: Mapped[str | None] = mapped_column(String(255))  #: id or name of what was changed
    account_id: Mapped[UUID | None]  #: no foreign key: the entry outlives the account
    details: Mapped[dict[str, Any]]
    request_id: Mapped[str] = mapped_column(String(200))
