"""What WhatsApp says of a number is kept, shown, and told to everybody who works with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from inbox.accounts.reputation import limit_of, troubles
from inbox.db import Database
from inbox.runtime import Runtime
from inbox.webhooks.parsing.parse import parse_event
from inbox.webhooks.parsing.records import NoticeItem
from tests.builders import ingest, sample, the_account

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def told(field: str, value: dict[str, Any]) -> dict[str, Any]:
    """What a webhook says of the number."""
    body = json.dumps({"entry": [{"id": "1", "changes": [{"field": field, "value": value}]}]}).encode()
    (item,) = parse_event(body, NOW)
    assert isinstance(item, NoticeItem)
    return dict(item.reputation or {})


BAN = {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}}
RESTRICTED = {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": "X", "expiration": 1795429400}]}


@pytest.mark.parametrize(
    ("field", "value", "trouble"),
    [
        ("account_update", BAN, "to_be_disabled"),
        ("account_update", {"event": "ACCOUNT_OFFBOARDED"}, "offboarded"),
        ("account_update", RESTRICTED, "restricted"),
        ("account_update", {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SCAM"}}, "violation"),
        ("account_review_update", {"decision": "REJECTED"}, "review_rejected"),
        ("phone_number_name_update", {"decision": "DECLINED", "requested_verified_name": "Shop"}, "name_declined"),
        ("phone_number_quality_update", {"event": "FLAGGED"}, "quality_low"),
        ("phone_number_quality_update", {"event": "UPGRADE", "current_limit": "TIER_10K"}, None),
        (
            "account_update",
            {"event": "ACCOUNT_RESTRICTION", "restriction_info": [None, {"expiration": "soon"}]},
            "restricted",
        ),
        ("account_update", {"event": ["nonsense"]}, None),
    ],
)
def test_each_webhook_of_an_account_says_what_is_wrong_with_it(
    field: str, value: dict[str, Any], trouble: str | None
) -> None:
    kept = {**told(field, value), "told_at": "2026-11-20T00:00:00.000Z"}
    assert troubles(kept, NOW) == ([trouble] if trouble else [])


def test_what_is_over_is_no_trouble_any_more() -> None:
    at = "2026-11-20T00:00:00.000Z"
    until = "2026-11-22T00:00:00.000Z"
    kept = {"told_at": at, "restrictions": [{"type": "X", "until": until}], "violation": "SCAM", "violated_at": at}
    assert troubles(kept, NOW) == ["restricted", "violation"]
    assert troubles(kept, NOW + timedelta(days=3)) == ["violation"]
    assert troubles(kept, NOW + timedelta(days=31)) == []
    assert troubles({**kept, **told("account_update", {"event": "ACCOUNT_RECONNECTED"})}, NOW) == []


@pytest.mark.parametrize(
    ("word", "limit"),
    [
        ("TIER_250", "250"),
        ("TIER_2K", "2000"),
        ("TIER_UNLIMITED", "unlimited"),
        (10000, "10000"),
        ("much", None),
        ([], None),
    ],
)
def test_a_limit_is_told_in_customers_a_day(word: Any, limit: str | None) -> None:
    assert limit_of(word) == limit


def test_what_is_told_is_kept_with_the_number_and_warned_of(
    client: FlaskClient, runtime: Runtime, db: Database
) -> None:
    ingest(runtime, sample("text"))  # teaches the WhatsApp Business Account id
    ingest(runtime, sample("phone_number_quality_update"))
    ingest(runtime, sample("account_update_disabled").replace(b'"DISABLE"', b'"SCHEDULE_FOR_DISABLE"'))
    account = the_account(db)
    said = client.get(f"/accounts/{account.id}").json["reputation"]
    assert (said["limit"], said["troubles"]) == ("10000", ["to_be_disabled"])
    (notice,) = client.get(f"/changes?account_id={account.id}").json["notices"]
    assert (notice["code"], notice["reason"]) == ("number_warned", "to_be_disabled")
