"""What GET /status and its history show. No error's text: everybody who is signed in may see it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from inbox.schemas import Query, Row, Time

SentenceCode = Literal[
    "well",
    "slow",
    "gemini_struggling",
    "whatsapp_struggling",
    "supabase_struggling",
    "media_store_struggling",
    "gemini_away",
    "whatsapp_away",
    "supabase_away",
    "media_store_away",
    "number_paused",
    "database_away",
    "dispatcher_silent",
]


class UpstreamStatus(Row):
    """One service we depend on: how all processes find it, and the calls of the last minutes."""

    name: str
    configured: bool
    state: Literal["well", "struggling", "trying", "away"] = Field(
        description="struggling: in the last minute more calls failed than were answered. trying: it was away, and the"
        " next call finds out."
    )
    since: Time | None
    retry_in_seconds: float | None = Field(description="When it is asked again.")
    waiting: int = Field(ge=0, description="Conversations that wait because of it.")
    answers: int = Field(ge=0, description="In the last five minutes, as stored.")
    errors: int = Field(ge=0)
    p95_s: float | None = Field(description="Seconds within which 95 of 100 answers came, to the end of a class.")


class Road(Row):
    """Where the newest messages are (of 2,000 webhooks and as many messages): nothing is lost while missing is 0."""

    received: int
    stored: int
    twice: int
    unreadable: int
    pending: int = Field(description="Webhooks that are stored and not read yet.")
    replies: int
    accepted: int
    refused: int
    unconfirmed: int
    waiting: int
    missing: int
    queue: int = Field(description="Jobs that are due or will be.")
    oldest_s: float = Field(description="How long the oldest due job has waited.")
    answers: int = Field(description="Conversations that wait for the bot.")
    answers_oldest_s: float = Field(description="How long the oldest of them has waited.")
    sends: int = Field(description="Messages that wait to be sent.")
    sends_oldest_s: float = Field(description="How long the oldest of them has waited.")
    dead_letters: int = Field(description="Webhooks that could not be read and wait for somebody.")


class PausedNumber(Row):
    """A number that sends nothing, and why."""

    account_id: UUID
    name: str
    reason: str
    code: str = Field(description="The reason as a word that stays.")
    since: Time | None


class Undecided(Row):
    """A reply that WhatsApp may or may not have: only a person can decide what becomes of it."""

    conversation_id: UUID
    message_id: UUID


class StatusRow(Row):
    """How everything stands. `code` is the sentence that matters most."""

    now: Time
    code: SentenceCode
    since: Time | None
    upstreams: list[UpstreamStatus]
    database_ok: bool
    dispatchers: int = Field(description="Live processes that do the work of the queues.")
    processes: int
    cache_hit_ratio: float | None
    road: Road | None = Field(description="null while the database is away.")
    paused: list[PausedNumber]
    undecided: list[Undecided] = Field(description="The oldest unconfirmed replies that a person was asked about.")
    may_act: bool = Field(description="The reader may try an upstream at once, and clear the cache.")


class HistoryQuery(Query):
    """How far back."""

    minutes: Annotated[int, Field(ge=5, le=1440)] = 60


class HistoryMinute(Row):
    """Calls of one upstream in one minute, over all processes. Minutes without calls are left out."""

    minute: Time
    upstream: str
    answers: int
    errors: int
    p95_s: float | None


class PastIncident(Row):
    """A time during which an upstream was away."""

    upstream: str
    started_at: Time
    ended_at: Time | None
    conversations: int = Field(description="That had to wait.")


class HistoryRow(Row):
    """What was, minute by minute, and what was away in the last day, the newest first."""

    now: Time
    minutes: list[HistoryMinute]
    incidents: list[PastIncident]
