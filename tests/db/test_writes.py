"""What a transaction writes, sent together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm.exc import StaleDataError

from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.db.writes import delete_rows, insert_rows, update_rows, write_later
from inbox.models import CONVERSATIONS, Account, Contact, Conversation, Lane
from inbox.models.base import server_now
from tests.builders import the_account
from tests.queries import asked

COUNT = 4


@pytest.fixture
def ids(db: Database) -> list[UUID]:
    """Conversations that nobody has changed since yesterday."""
    account_id, at, made = the_account(db).id, utc_now() - timedelta(days=1), [new_id() for _ in range(COUNT)]
    times = {"created_at": at, "updated_at": at}
    with db.writing() as session:
        rows = [
            {"id": new_id(), "account_id": account_id, "phone": f"3360{n}", "fields": {}, **times} for n in range(COUNT)
        ]
        insert_rows(session, insert(Contact), rows)
        threads = [
            {"id": each, "account_id": account_id, "contact_id": row["id"], "changed_at": at, **times}
            for each, row in zip(made, rows, strict=True)
        ]
        insert_rows(session, insert(Conversation), threads)
    return made


def stored(db: Database, ids: list[UUID]) -> list[Any]:
    with db.reading() as session:
        rows = {row.id: row for row in session.execute(select(CONVERSATIONS))}
    return [rows[each] for each in ids]


def test_rows_that_changed_alike_are_written_in_one_statement(db: Database, ids: list[UUID]) -> None:
    with db.writing() as session:
        rows = [session.get_one(Conversation, each) for each in ids]
        with asked(db) as statements:
            for number, row in enumerate(rows):
                row.last_message, row.unread_count = f"Line {number}", number + 1
            session.flush()
        assert [row.unread_count for row in rows] == [1, 2, 3, 4]
    if db.is_postgres:
        assert len(statements) == 1
    assert [(row.last_message, row.unread_count) for row in stored(db, ids)] == [
        (f"Line {number}", number + 1) for number in range(COUNT)
    ]


def test_the_server_fills_in_what_is_its_to_fill_in(db: Database, ids: list[UUID]) -> None:
    began = utc_now() - timedelta(seconds=1)
    with db.writing() as session:
        first, second, third, fourth = (session.get_one(Conversation, each) for each in ids)
        first.epoch, second.epoch = 1, 2
        third.changed_at = fourth.changed_at = server_now()  # type: ignore[assignment]
        session.flush()
        assert min(first.changed_at, third.changed_at) > began
    assert all(row.changed_at > began for row in stored(db, ids))


def test_a_row_of_which_the_server_fills_in_nothing_is_known_as_it_was_written(db: Database) -> None:
    known = the_account(db)
    with db.writing() as session:
        account = session.get_one(Account, known.id)
        account.name = "Bakery"
        session.flush()
        with asked(db) as statements:
            account.waba_id = "102"
            assert account.phone_number_id == known.phone_number_id  # a look that would write first, and forget
            assert (account.name, account.waba_id) == ("Bakery", "102")
        assert statements == []


def test_what_is_set_to_what_it_was_is_no_change(db: Database, ids: list[UUID]) -> None:
    before = stored(db, ids)
    with db.writing() as session:
        for each in ids:
            session.get_one(Conversation, each).epoch = 0
    assert stored(db, ids) == before


def test_a_row_that_is_gone_is_noticed(db: Database, ids: list[UUID]) -> None:
    with pytest.raises(StaleDataError), db.writing() as session:
        rows = [session.get_one(Conversation, each) for each in ids]
        session.connection().execute(delete(CONVERSATIONS).where(CONVERSATIONS.c.id == ids[0]))
        for row in rows:
            row.epoch = 7


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    changes=st.lists(
        st.dictionaries(
            st.sampled_from(["epoch", "last_message", "needs_human", "bot_paused_until"]), st.integers(0, 3), max_size=4
        ),
        min_size=COUNT,
        max_size=COUNT,
    )
)
def test_whatever_changes_together_ends_as_if_written_one_by_one(
    db: Database, ids: list[UUID], changes: list[dict[str, int]]
) -> None:
    at = utc_now().replace(microsecond=0)
    meant = {
        "epoch": lambda n: n,
        "last_message": lambda n: f"{n}" if n else None,
        "needs_human": bool,
        "bot_paused_until": lambda n: at + timedelta(hours=n) if n else None,
    }
    with db.writing() as session:
        for each, change in zip(ids, changes, strict=True):
            row = session.get_one(Conversation, each)
            for name, number in change.items():
                setattr(row, name, meant[name](number))
    for row, change in zip(stored(db, ids), changes, strict=True):
        assert {name: getattr(row, name) for name in change} == {name: meant[name](n) for name, n in change.items()}


# --- everything at once ------------------------------------------------------------------------------------------

_EPOCH = update(CONVERSATIONS).where(CONVERSATIONS.c.id == bindparam("row")).values(epoch=CONVERSATIONS.c.epoch + 1)


def test_what_changed_and_what_was_noted_leave_in_one_statement(db: Database, ids: list[UUID]) -> None:
    with asked(db) as statements, db.writing() as session:
        before = len(statements)
        for each in session.execute(select(Contact)).scalars():
            each.display_name = "Camille"
        update_rows(session, CONVERSATIONS, [{"id": each, "unread_count": 3} for each in ids[1:]])
        write_later(session, _EPOCH, {"row": ids[0]})
        assert len(statements) == before + 2  # BEGIN, SELECT
    if db.is_postgres:
        assert len(statements) == before + 3
    assert [(row.unread_count, row.epoch) for row in stored(db, ids)] == [(0, 1), (3, 0), (3, 0), (3, 0)]


def test_rows_are_deleted_by_one_statement_and_no_others_are(db: Database, ids: list[UUID]) -> None:
    with asked(db) as statements, db.writing() as session:
        for each in ids[:3]:
            delete_rows(session, CONVERSATIONS.c.id, each)
    if db.is_postgres:
        assert len([each for each in statements if "DELETE" in each]) == 1
    with db.reading() as session:
        assert session.execute(select(CONVERSATIONS.c.id)).scalars().all() == [ids[3]]


def test_a_read_finds_what_was_noted_before_it(db: Database, ids: list[UUID]) -> None:
    with db.writing() as session:
        write_later(session, _EPOCH, {"row": ids[0]})
        assert session.scalar(select(CONVERSATIONS.c.epoch).where(CONVERSATIONS.c.id == ids[0])) == 1


def test_a_row_that_changed_and_was_written_apart_keeps_both(db: Database, ids: list[UUID]) -> None:
    with db.writing() as session:
        session.get_one(Conversation, ids[0]).unread_count = 2
        write_later(session, _EPOCH, {"row": ids[0]})
    assert (stored(db, ids)[0].unread_count, stored(db, ids)[0].epoch) == (2, 1)


def test_a_row_that_is_not_as_it_should_be_undoes_all(db: Database, ids: list[UUID]) -> None:
    with pytest.raises(LookupError), db.writing() as session:
        session.get_one(Conversation, ids[1]).unread_count = 2
        rows = [{"id": each, "needs_human": True} for each in ids]
        update_rows(session, CONVERSATIONS, rows, where=CONVERSATIONS.c.id != ids[0], otherwise=LookupError)
    assert not any(row.needs_human or row.unread_count for row in stored(db, ids))


def test_what_was_noted_goes_with_its_savepoint(db: Database, ids: list[UUID]) -> None:
    with db.writing() as session:
        with pytest.raises(LookupError), session.begin_nested():
            write_later(session, _EPOCH, {"row": ids[0]})
            raise LookupError
        write_later(session, _EPOCH, {"row": ids[1]})
    assert [row.epoch for row in stored(db, ids)] == [0, 1, 0, 0]


def test_new_rows_and_noted_ones_may_refer_to_those_before_them(db: Database) -> None:
    account_id, at = the_account(db).id, utc_now()
    times = {"created_at": at, "updated_at": at}
    with db.writing() as session:
        person = Contact(id=new_id(), account_id=account_id, phone="33601", **times)
        session.add(person)
        thread = {"id": new_id(), "account_id": account_id, "contact_id": person.id, "changed_at": at, **times}
        insert_rows(session, insert(Conversation), [thread])
        session.add(Lane(conversation_id=thread["id"], account_id=account_id))
    with db.reading() as session:
        assert session.execute(select(Lane.conversation_id)).scalars().all() == [thread["id"]]
