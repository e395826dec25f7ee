"""Webhooks that were handled are forgotten as fast as they come, however many they are."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from inbox.clock import first_id, utc_now
from inbox.models import EventState, WebhookEvent
from inbox.runtime import Runtime, crews_of
from inbox.worker import housekeeping


def test_all_that_is_too_old_goes_in_one_round_batch_by_batch(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_PRUNE_ROWS", 2)
    now = utc_now()
    oldest = first_id(now - timedelta(days=60)).int
    ids = [*(UUID(int=oldest + number) for number in range(5)), first_id(now)]
    done = {"body": b"{}", "size": 2, "received_at": now, "state": EventState.DONE}
    with runtime.db.writing() as session:
        session.execute(insert(WebhookEvent), [{"id": each, **done} for each in ids])
    crews_of(runtime).housekeeping._prune()
    with runtime.db.reading() as session:
        assert session.execute(select(func.count()).select_from(WebhookEvent)).scalar_one() == 1
