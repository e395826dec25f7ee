"""Time and ids. Everything stored, compared or shown is aware UTC in whole milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


def utc_now() -> datetime:
    """This machine's wall clock, in whole milliseconds."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """`moment` without its microseconds: what the wire shows is then exactly what is stored and compared."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): later ids sort after earlier ones of the same process."""
    return uuid_utils.compat.uuid7()


def first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of `moment`: ids made earlier sort before it."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def rfc3339(moment: datetime) -> str:
    """`moment` as the wire shows it: 2026-11-20T09:00:01.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"  # instead of +00:00


def parse_rfc3339(text: str) -> datetime:
    """An aware time in whole milliseconds. Raises ValueError when `text` has no date, no time or no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, such as Z or +01:00")
    try:
        return to_milliseconds(moment.astimezone(UTC))
    except OverflowError:
        raise ValueError("a time needs a year that UTC can hold") from None
