"""What the wire shows of API keys, and what it takes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, Field

from inbox.auth.access import Role
from inbox.clock import parse_rfc3339
from inbox.errors import BadValue
from inbox.models import ApiKey
from inbox.schemas import Body, Query, Row, Time
from inbox.users.schemas import Name

MAX_ACCOUNTS = 500  # of one key

KeyStatus = Literal["valid", "expired", "revoked"]


def _moment(value: Any) -> datetime | None:
    """A number, as text too, would be taken for seconds since 1970."""
    try:
        return None if value is None else parse_rfc3339(value)
    except (TypeError, ValueError, OverflowError):
        raise BadValue("not_a_time", "must be a time with an offset, such as 2027-01-31T00:00:00Z") from None


class KeyRow(Row):
    """An API key, without the key itself."""

    id: UUID
    name: str
    prefix: str = Field(description="How the key begins, to recognise it by.")
    role_id: UUID | None = Field(description="null: the role was deleted after the key had ended.")
    role_slug: str | None
    role_name: str | None
    accounts: list[UUID] | None = Field(description="The accounts its role is for; null: all.")
    status: KeyStatus
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None


class NewKeyRow(KeyRow):
    """An API key just made."""

    secret: str = Field(description="The key itself. It is shown this once.")


class KeyQuery(Query):
    """A page of keys."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None


class KeyBody(Body):
    """A key to be made."""

    name: Name
    role_id: UUID
    accounts: Annotated[
        list[UUID] | None, Field(min_length=1, max_length=MAX_ACCOUNTS, json_schema_extra={"uniqueItems": True})
    ] = None
    expires_at: Annotated[AwareDatetime | None, BeforeValidator(_moment)] = None


class KeyDone(Row):
    """The key was revoked."""

    status: Literal["ok"] = "ok"


def key_row(key: ApiKey, role: Role | None, now: datetime) -> KeyRow:
    return KeyRow(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        role_id=key.role_id,
        role_slug=None if role is None else role.slug,
        role_name=None if role is None else role.name,
        accounts=None if key.account_ids is None else [UUID(each) for each in key.account_ids],
        status=_status(key, now),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


def _status(key: ApiKey, now: datetime) -> KeyStatus:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "valid"
