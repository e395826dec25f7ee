"""What the wire shows to operators."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from inbox.operations.processes import CacheCounts, Circuit
from inbox.schemas import Query, Row, Time

State = Literal["closed", "half_open", "open"]
UpstreamName = Literal[
    "gemini",
    "whatsapp",
    "whatsapp_receipts",
    "whatsapp_media",
    "whatsapp_templates",
    "supabase",
    "media_store",
    "database",
    "storage",
]


class ProcessRow(Row):
    """A live process."""

    id: UUID
    kind: str = Field(description="web, worker or other")
    host: str
    pid: int
    started_at: Time
    seen_at: Time


class ProcessCircuit(Circuit):
    """A circuit in one process."""

    process: ProcessRow


class CircuitRow(Row):
    """A circuit: the worst state that any process has, and each of them."""

    name: str
    state: State = Field(description="The worst of all processes: open, half_open, closed.")
    processes: list[ProcessCircuit]


class CircuitDone(Row):
    """Every process is told to close this circuit."""

    status: Literal["ok"] = "ok"
    name: str


class ProcessCache(CacheCounts):
    """The cache of one process."""

    ratio: float | None = Field(description="Of lookups that were hits; null before the first.")
    process: ProcessRow


class CacheRow(Row):
    """Lookups of bot profiles, summed over the live processes; each counts since it started."""

    hits: int
    misses: int
    loads: int
    size: int = Field(description="Profiles held, counted in each process that holds them.")
    ratio: float | None = Field(description="Of lookups that were hits; null before the first.")
    processes: list[ProcessCache]


class CacheDone(Row):
    """The cache is cleared; `complete` is false while Redis is away and keeps its copies."""

    status: Literal["ok"] = "ok"
    complete: bool = Field(description="False when Redis was not reached: what it holds goes with its lifetime.")


class IncidentQuery(Query):
    """Which incidents to list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    upstream: UpstreamName | None = None
    open: bool | None = None
