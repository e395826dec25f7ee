"""What WhatsApp says of a number: its quality, its limit, its name, and what it takes from it.

The first three are asked for every hour, and by the check of a number; webhooks tell the rest, of one number or of all
of a WhatsApp Business Account. It is kept with the number until WhatsApp says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.clock import rfc3339
from inbox.models import Account
from inbox.schemas import Row, Time

#: The worst first. A disabled account's numbers are paused as well.
Trouble = Literal[
    "disabled",
    "deleted",
    "offboarded",
    "to_be_disabled",
    "restricted",
    "violation",
    "quality_low",
    "name_declined",
    "review_rejected",
]
State = Literal["disabled", "to_be_disabled", "offboarded", "deleted"]

_VIOLATION_LASTS = timedelta(days=30)  # WhatsApp never says that one is over


class Restriction(Row):
    """Something that the account may not do."""

    type: str = Field(description="WhatsApp's word, such as RESTRICTED_BIZ_INITIATED_MESSAGING.")
    until: Time | None = Field(description="null: WhatsApp did not say.")


class Reputation(Row):
    """What WhatsApp has said of a number, as far as it is known."""

    quality: str | None = Field(None, description="GREEN, YELLOW, RED or UNKNOWN.")
    limit: str | None = Field(None, description="Customers that may be written to first in a day; or unlimited.")
    name: str | None = Field(None, description="The name that customers see.")
    name_status: str | None = Field(None, description="APPROVED, DECLINED, PENDING_REVIEW …")
    restrictions: list[Restriction] = Field(default_factory=list)
    violation: str | None = Field(None, description="What the account was accused of in the last 30 days.")
    violated_at: Time | None = None
    state: State | None = Field(None, description="null: in order.")
    review: str | None = Field(None, description="Of the account: APPROVED, REJECTED …")
    told_at: Time


class ReputationRow(Reputation):
    """The same, and what of it somebody has to look at."""

    troubles: list[Trouble] = Field(description="The worst first.")


def reputation_row(kept: Mapping[str, Any] | None, now: datetime) -> ReputationRow | None:
    """As the wire shows it; None while nothing is known."""
    if kept is None:
        return None
    known = Reputation.model_validate(kept)
    return ReputationRow(**known.model_dump(), troubles=troubles(kept, now))


def troubles(kept: Mapping[str, Any] | None, now: datetime) -> list[Trouble]:
    """What is bad in it at the moment, the worst first."""
    if kept is None:
        return []
    known = Reputation.model_validate(kept)
    found: dict[Trouble, bool] = {
        "restricted": any(each.until is None or each.until > now for each in known.restrictions),
        "violation": known.violated_at is not None and now - known.violated_at < _VIOLATION_LASTS,
        "quality_low": known.quality == "RED",
        "name_declined": known.name_status in ("DECLINED", "REJECTED"),
        "review_rejected": known.review == "REJECTED",
    }
    return [*([known.state] if known.state else []), *(name for name, is_so in found.items() if is_so)]


def keep_told(
    session: Session, told: Mapping[str, Any], now: datetime, *, waba_id: str | None = None, phone: str | None = None
) -> None:
    """Keep what a webhook told of the numbers of a WhatsApp Business Account, or of the one with this phone number."""
    numbers = select(Account).where(Account.waba_id == waba_id, Account.deleted_at.is_(None))
    if phone is not None:
        numbers = numbers.where(Account.phone_number == phone)
    for account in session.execute(numbers.order_by(Account.id).with_for_update(key_share=True)).scalars():
        _add(account, told, now)


def keep_found(session: Session, account_id: UUID, found: Mapping[str, str], now: datetime) -> None:
    """Keep what WhatsApp answered about a number: `quality`, `name`, `name_status` and `limit`, in its words."""
    number = select(Account).where(Account.id == account_id).with_for_update(key_share=True)
    account = session.execute(number).scalar_one_or_none()
    if account is not None:
        named = {name: found[name] for name in ("quality", "name", "name_status") if found[name]}
        _add(account, {**named, "limit": limit_of(found["limit"])}, now)


def limit_of(value: Any) -> str | None:
    """TIER_2K, or a plain number → "2000"; TIER_UNLIMITED → "unlimited"; None for anything else."""
    text = str(value).removeprefix("TIER_") if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if text == "UNLIMITED" or text == "-1":
        return "unlimited"
    thousands = text.endswith("K")
    digits = text.removesuffix("K")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        return None
    return str(int(digits) * (1000 if thousands else 1))


def _add(account: Account, told: Mapping[str, Any], now: datetime) -> None:
    account.reputation = {**(account.reputation or {}), **told, "told_at": rfc3339(now)}
