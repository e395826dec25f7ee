"""What the wire shows of a business number. Its tokens are never shown."""

from __future__ import annotations

from uuid import UUID

from inbox.schemas import Row, Time


class AccountRow(Row):
    id: UUID
    name: str
    phone_number_id: str
    phone_number: str | None
    waba_id: str | None
    bot_auto_on: bool
    paused_reason: str | None
    paused_at: Time | None
    created_at: Time
    updated_at: Time
