"""A number that many people write to, whose telephone numbers begin alike."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from inbox.clock import new_id
from inbox.models import Contact
from inbox.runtime import Runtime
from tests.builders import ingest, text_message, the_account, webhook
from tests.plans import caught, problems

PEOPLE = 4000  # fewer, and the index for searching would not look cheap


@pytest.fixture
def crowd(runtime: Runtime) -> Runtime:
    now, account = datetime.now(UTC), the_account(runtime.db)
    with runtime.db.writing() as session:
        people = [
            Contact(id=new_id(), account_id=account.id, phone=str(33600000000 + number), created_at=now, updated_at=now)
            for number in range(PEOPLE)
        ]
        session.add_all(people)
    with runtime.db.writing() as session:
        session.execute(text("ANALYZE"))
    return runtime


def test_who_writes_is_not_sought_as_somebody_who_searches_would(crowd: Runtime) -> None:
    with caught(crowd.db) as ran:
        ingest(crowd, webhook(messages=[text_message("hello", wa_id="wamid.crowd")]))
    found = [each for each in ran if "FROM contacts" in each.text]
    assert found
    assert problems(crowd.db, found) == []
