"""What /health shows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from inbox.schemas import Row, Time

Switch = Literal["on", "off"]
CircuitState = Literal["closed", "open", "half_open"]


class Alive(Row):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Row):
    """The process can work."""

    status: Literal["ready"] = "ready"


class NotReady(Row):
    """The process cannot work, and why."""

    status: Literal["not_ready"] = "not_ready"
    reason: Literal["database", "migrations"]


class DependencyHealth(Row):
    """One thing we depend on, as the last probe found it."""

    status: Literal["ok", "timeout", "error", "not_configured"]
    latency_ms: float | None
    since: Time | None = Field(description="When it entered this state, as far as this process knows.")
    reason: str | None = Field(description="What is wrong and what an operator has to do, where we know it.")


class CircuitHealth(Row):
    """As it stands in the worst process."""

    name: str
    state: CircuitState
    failure_count: int
    success_count: int
    opened_at: Time | None
    retry_in_s: float


class OutboxHealth(Row):
    """What waits to be sent or answered. Counts end at a bound."""

    waiting: int = Field(description="Jobs that are due or will be.")
    oldest_s: float = Field(description="How long the oldest of these jobs has waited; degraded from 60 s on.")
    unconfirmed: int = Field(
        description="Messages of which nobody knows whether they were sent: evidence or a person decides."
    )
    dead_letters: int
    paused_numbers: int
    untold: int = Field(description="Conversations that need a person and whose notice to the backup number failed.")
    bot_failed: int = Field(description="Conversations that ask for a person because the bot's own code failed there.")


class WebhooksHealth(Row):
    """Webhooks that are stored and not read yet."""

    pending: int
    oldest_s: float = Field(description="How long the oldest of them has waited.")


class JournalHealth(Row):
    """Webhooks on this machine's disk, kept while the database is away."""

    events: int
    bytes: int
    lasts: bool = Field(
        description="False where files are gone after a restart (Heroku, Cloud Run, Render), or cannot be written."
    )
    reason: str | None = Field(description="What is wrong with its folder, and what to do.")


class CacheHealth(Row):
    """How often a bot profile was found in the cache."""

    hit_ratio: float | None


class HealthRow(Row):
    """The state of everything we depend on."""

    status: Literal["ok", "degraded", "error"] = Field(description="error: the database is away, and the answer 503.")
    timestamp: Time
    version: str
    dependencies: dict[str, DependencyHealth]
    circuit_breakers: dict[str, CircuitHealth]
    outbox: OutboxHealth | None = Field(description="null while the database is away.")
    webhooks: WebhooksHealth | None = Field(description="null while the database is away.")
    journal: JournalHealth
    processes: dict[str, int] = Field(description="Live ones, by kind. One that was killed counts for up to 30 s.")
    shed: int = Field(description="Requests refused because they had waited too long for a thread.")
    cache: CacheHealth
    limits: dict[str, dict[str, float]] = Field(description="How each upstream and the database are called.")
    switches: dict[str, Switch]
