"""What a webhook says of a number or its account, as `accounts.reputation` keeps it.

Sources: Meta's webhook reference (2026): account_update, account_review_update, business_capability_update,
phone_number_name_update, phone_number_quality_update.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from inbox.accounts.reputation import limit_of
from inbox.clock import rfc3339
from inbox.webhooks.parsing.reading import as_dict, as_text

_STATES = {
    "DISABLE": "disabled",
    "SCHEDULE_FOR_DISABLE": "to_be_disabled",
    "ACCOUNT_DELETED": "deleted",
    "ACCOUNT_OFFBOARDED": "offboarded",
}
_OVER = frozenset({"REINSTATE", "ACCOUNT_RECONNECTED"})
_MOST = 20  # restrictions that are kept


def reputation_of(field: str, value: dict[str, Any], at: datetime) -> dict[str, Any]:
    """What to change in what is kept; empty for a webhook that says nothing of it."""
    read = _FIELDS.get(field)
    return read(value, at) if read is not None else {}


def _account(value: dict[str, Any], at: datetime) -> dict[str, Any]:
    event = as_text(value.get("event")) or ""
    state = as_text(as_dict(value.get("ban_info")).get("waba_ban_state")) or event
    if state in _STATES:
        return {"state": _STATES[state]}
    if state in _OVER:
        return {"state": None, "restrictions": [], "violation": None, "violated_at": None}
    if event == "ACCOUNT_RESTRICTION":
        told = value.get("restriction_info")
        found = told[:_MOST] if isinstance(told, list) else []
        return {"restrictions": [_restriction(as_dict(each)) for each in found]}
    if event == "ACCOUNT_VIOLATION":
        what = as_text(as_dict(value.get("violation_info")).get("violation_type")) or "unknown"
        return {"violation": what[:64], "violated_at": rfc3339(at)}
    return {}


def _restriction(told: dict[str, Any]) -> dict[str, Any]:
    kind = (as_text(told.get("restriction_type")) or "unknown")[:64]
    try:
        until = rfc3339(datetime.fromtimestamp(float(told["expiration"]), UTC))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        until = None
    return {"type": kind, "until": until}


def _review(value: dict[str, Any], _at: datetime) -> dict[str, Any]:
    decision = as_text(value.get("decision"))
    return {"review": decision[:32]} if decision else {}


def _name(value: dict[str, Any], _at: datetime) -> dict[str, Any]:
    decision, name = as_text(value.get("decision")), as_text(value.get("requested_verified_name"))
    if not decision:
        return {}
    renamed = {"name": name[:200]} if name and decision == "APPROVED" else {}
    return {"name_status": decision[:32], **renamed}


def _quality(value: dict[str, Any], _at: datetime) -> dict[str, Any]:
    quality = {"FLAGGED": "RED", "UNFLAGGED": "UNKNOWN"}.get(as_text(value.get("event")) or "")
    return {**_limit(value, _at), **({"quality": quality} if quality else {})}


def _limit(value: dict[str, Any], _at: datetime) -> dict[str, Any]:
    told = (limit_of(value.get(name)) for name in ("max_daily_conversations_per_business", "current_limit"))
    limit = next(filter(None, told), None)
    return {"limit": limit} if limit else {}


_FIELDS: dict[str, Callable[[dict[str, Any], datetime], dict[str, Any]]] = {
    "account_update": _account,
    "account_review_update": _review,
    "business_capability_update": _limit,
    "phone_number_name_update": _name,
    "phone_number_quality_update": _quality,
}
