"""Every route for every kind of caller: the whole table, row by row, and nothing that is not in it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from inbox.clock import utc_now
from inbox.models import Account, User
from tests.callers import ASSETS, BY_ROW, CALLERS, CASES, NOWHERE, OTHER_NUMBER, World

# The decisions are the same on every database; what they are made from is tested on both elsewhere.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_sqlite
def test_every_route_is_in_the_table(app: Flask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert routes - ASSETS == set(CASES)


@pytest.mark.parametrize("endpoint", CASES)
def test_a_route_answers_each_caller_as_it_should(world: World, endpoint: str) -> None:
    case = CASES[endpoint]
    found = tuple(world.call(case, caller).status_code for caller in CALLERS)
    assert found == case.expected


@pytest.mark.parametrize("endpoint", [name for name, case in CASES.items() if case.names_rows and name not in BY_ROW])
def test_what_belongs_to_another_number_is_not_to_be_told_from_what_is_missing(world: World, endpoint: str) -> None:
    case = CASES[endpoint]
    missing = {name: str(NOWHERE) for name in world.ids}
    for caller in ("stranger", "elsewhere"):  # who may only read, and who may everything, at another number
        theirs, nothing = world.call(case, caller), world.call(case, caller, **missing)
        assert theirs.status_code == nothing.status_code
        assert theirs.status_code in (403, 404)
        assert _told(theirs) == _told(nothing)


def _told(response: TestResponse) -> dict[str, Any]:
    """An answer without what names the request."""
    return {name: value for name, value in response.json.items() if name not in ("instance", "request_id")}


@pytest.mark.parametrize("endpoint", [name for name in CASES if name.startswith("admin.")])
def test_the_administrator_of_one_number_does_not_administer_the_installation(world: World, endpoint: str) -> None:
    assert world.call(CASES[endpoint], "here").status_code == 403


@pytest.mark.parametrize(
    "endpoint", ["bot.get_profile", "bot.put_profile", "accounts.update_account", "accounts.delete_account"]
)
def test_the_administrator_of_one_number_administers_it_and_no_other(world: World, endpoint: str) -> None:
    with world.runtime.db.reading() as session:
        other = session.execute(select(Account.id).where(Account.phone_number_id == OTHER_NUMBER)).scalar_one()
    assert world.call(CASES[endpoint], "here", account=str(other)).status_code == 403
    assert world.call(CASES[endpoint], "here").status_code == 200


def test_lists_hold_nothing_of_other_numbers(world: World) -> None:
    assert [row["name"] for row in world.call(CASES["accounts.list_accounts"], "stranger").json] == ["Other"]
    assert len(world.call(CASES["accounts.list_accounts"], "admin").json) == 2


@pytest.mark.parametrize("caller", ["viewer", "manager", "admin"])
def test_who_is_switched_off_is_refused_everywhere_at_once(world: World, caller: str) -> None:
    with world.runtime.db.writing() as session:
        query = select(User).where(User.email == f"{caller}@example.com")
        session.execute(query).scalar_one().disabled_at = utc_now()
    world.runtime.identities.forget()
    for endpoint, case in CASES.items():
        if case.expected[0] == 401:
            response = world.call(case, caller)
            assert (endpoint, response.status_code, response.json["code"]) == (endpoint, 403, "user_disabled")
