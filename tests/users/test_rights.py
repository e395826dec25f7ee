"""Who may change whose rights: nobody gives what they do not hold, and an administrator always remains."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from inbox.accounts.service import all_accounts
from inbox.auth.access import BUILT_IN, OPERATOR, Grant, Override, Permission, Principal, Role
from inbox.auth.identities import principal_of
from inbox.db import Database
from inbox.errors import DomainError, PermissionDenied, UserDisabled
from inbox.models import ApiKey, User
from inbox.runtime import Runtime
from inbox.users import grants as rights
from inbox.users import service as users
from inbox.users.grants import Assignment
from inbox.users.keys import service as keys
from inbox.users.keys.schemas import KeyBody
from tests.builders import the_account
from tests.users.people import (
    ADMIN,
    another_account,
    as_key,
    as_user,
    assign,
    entries,
    member,
    principal,
    refusal,
    role_id,
)

GIVES = Override(Permission.ROLES_MANAGE, True)
HOSTS = Override(Permission.USERS_MANAGE, True)


# --- nobody gives what they do not hold --------------------------------------------------------------------------


@pytest.fixture
def manager(app: Flask, db: Database) -> tuple[UUID, FlaskClient]:
    """A manager who may give roles."""
    user_id = member(db, "manager@example.com", [Grant(Role.MANAGER)], [GIVES, HOSTS])
    return user_id, as_user(app, user_id)


def test_a_manager_who_may_give_roles_makes_nobody_more_than_they_are(
    manager: tuple[UUID, FlaskClient], db: Database
) -> None:
    me, browser = manager
    other, account = member(db, "other@example.com"), str(the_account(db).id)
    for target in (me, other):
        for given_ in ([assign("admin")], [assign("admin", account)], [assign("manager"), assign("admin")]):
            response = browser.put(f"/admin/users/{target}/roles", json={"assignments": given_})
            assert refusal(response) == (403, "permission_denied")
            assert "do not hold everywhere yourself" in response.json["title"]
        for place in (None, account):
            said = [{"permission_code": "settings.manage", "is_allowed": True, "account_id": place}]
            response = browser.put(f"/admin/users/{target}/overrides", json={"overrides": said})
            assert refusal(response) == (403, "permission_denied")
    assert browser.put(f"/admin/users/{other}/roles", json={"assignments": [assign("manager")]}).status_code == 200
    said = [{"permission_code": "roles.manage", "is_allowed": True}]
    assert browser.put(f"/admin/users/{other}/overrides", json={"overrides": said}).status_code == 200


def test_what_others_gave_may_stay_where_it_is(manager: tuple[UUID, FlaskClient], db: Database) -> None:
    _, browser = manager
    member(db, "admin@example.com", ADMIN)
    other = member(db, "other@example.com", ADMIN)
    account = str(the_account(db).id)
    both = [assign("admin"), assign("viewer", account)]
    assert browser.put(f"/admin/users/{other}/roles", json={"assignments": both}).status_code == 200
    assert browser.put(f"/admin/users/{other}/roles", json={"assignments": [assign("viewer")]}).status_code == 200
    assert refusal(browser.put(f"/admin/users/{other}/roles", json={"assignments": [assign("admin")]}))[0] == 403


def test_taking_back_what_was_taken_is_giving(manager: tuple[UUID, FlaskClient], db: Database) -> None:
    _, browser = manager
    account = the_account(db).id
    for said in (Override(Permission.SETTINGS_MANAGE, False), Override(Permission.SETTINGS_MANAGE, False, account)):
        other = member(db, f"{uuid4()}@example.com", ADMIN, [said])
        assert refusal(browser.put(f"/admin/users/{other}/overrides", json={"overrides": []}))[0] == 403


def test_who_is_kept_out_of_one_number_gives_nobody_the_key_to_it(app: Flask, db: Database) -> None:
    account = the_account(db).id
    kept_out = [Override(Permission.MESSAGES_VIEW, False, account)]
    me, other = member(db, "me@example.com", ADMIN, kept_out), member(db, "other@example.com")
    browser = as_user(app, me)
    assert refusal(browser.put(f"/admin/users/{me}/overrides", json={"overrides": []}))[0] == 403
    assert refusal(browser.put(f"/admin/users/{other}/roles", json={"assignments": [assign("viewer")]}))[0] == 403
    assert refusal(browser.post("/admin/keys", json={"name": "k", "role_id": role_id("viewer")}))[0] == 403
    elsewhere = {"assignments": [assign("viewer", str(another_account(db)))]}
    assert browser.put(f"/admin/users/{other}/roles", json=elsewhere).status_code == 200


def test_switching_somebody_on_gives_them_what_they_held(manager: tuple[UUID, FlaskClient], db: Database) -> None:
    _, browser = manager
    member(db, "admin@example.com", ADMIN)
    other = member(db, "other@example.com", ADMIN)
    assert browser.post(f"/admin/users/{other}/status", json={"is_active": False}).status_code == 200
    assert refusal(browser.post(f"/admin/users/{other}/status", json={"is_active": True}))[0] == 403


def test_an_invitation_gives_no_more_than_its_author_holds(manager: tuple[UUID, FlaskClient]) -> None:
    _, browser = manager
    body = {"email": "new@example.com", "assignments": [assign("admin")]}
    assert refusal(browser.post("/admin/users", json=body)) == (403, "permission_denied")
    assert browser.post("/admin/users", json={**body, "assignments": [assign("manager")]}).status_code == 201


def test_a_password_is_set_by_nobody_who_holds_less(db: Database, manager: tuple[UUID, FlaskClient]) -> None:
    me, _ = manager
    boss = member(db, "boss@example.com", ADMIN, known=False)
    with pytest.raises(PermissionDenied):
        users.change_password(db, principal(db, me), boss, "correct horse battery")
    with pytest.raises(PermissionDenied, match="asks for the present one"):  # or a stolen session would be enough
        users.change_password(db, principal(db, me), me, "correct horse battery")


def test_rights_that_were_taken_a_moment_ago_are_not_used(db: Database) -> None:
    member(db, "admin@example.com", ADMIN)
    me, other = member(db, "me@example.com", ADMIN), member(db, "other@example.com")
    stale = principal(db, me)
    users.set_active(db, OPERATOR, me, active=False)
    with pytest.raises(UserDisabled):
        rights.set_roles(db, stale, other, [Assignment(Role.ADMIN.id)])
    users.set_active(db, OPERATOR, me, active=True)
    rights.set_roles(db, OPERATOR, me, [Assignment(Role.MANAGER.id)])
    for act in (
        lambda: rights.set_roles(db, stale, other, [Assignment(Role.ADMIN.id)]),
        lambda: users.set_active(db, stale, other, active=False),
        lambda: keys.create_key(db, stale, KeyBody(name="k", role_id=Role.ADMIN.id)),
    ):
        with pytest.raises(PermissionDenied):
            act()


# --- one administrator remains -----------------------------------------------------------------------------------

LOSSES = [
    ("PUT", "/roles", {"assignments": [assign("manager")]}),
    ("PUT", "/roles", {"assignments": []}),
    ("PUT", "/overrides", {"overrides": [{"permission_code": "roles.manage", "is_allowed": False}]}),
    ("PUT", "/overrides", {"overrides": [{"permission_code": "users.manage", "is_allowed": False}]}),
    ("PUT", "/overrides", {"overrides": [{"permission_code": "messages.view", "is_allowed": False}]}),
    ("POST", "/status", {"is_active": False}),
]


@pytest.mark.parametrize(("method", "path", "body"), LOSSES)
def test_the_last_administrator_stays(client: FlaskClient, db: Database, method: str, path: str, body: Any) -> None:
    account = the_account(db).id
    anna = member(db, "anna@example.com", [Grant(Role.ADMIN), Grant(Role.MANAGER, account)])
    # None of these could take over:
    member(db, "invited@example.com", ADMIN, known=False)
    off = member(db, "off@example.com", ADMIN)
    users.set_active(db, OPERATOR, off, active=False)
    member(db, "here@example.com", [Grant(Role.ADMIN, account)])
    member(db, "less@example.com", ADMIN, [Override(Permission.SETTINGS_MANAGE, False)])
    before = client.get(f"/admin/users/{anna}").json
    response = client.open(f"/admin/users/{anna}{path}", method=method, json=body)
    assert refusal(response) == (409, "last_admin")
    assert client.get(f"/admin/users/{anna}").json == before
    second = member(db, "second@example.com", ADMIN)
    assert client.open(f"/admin/users/{anna}{path}", method=method, json=body).status_code == 200
    assert refusal(client.open(f"/admin/users/{second}{path}", method=method, json=body)) == (409, "last_admin")


@pytest.mark.parametrize("permission", ["roles.manage", "messages.send"])
def test_less_at_one_number_is_the_loss_of_the_administrator(
    client: FlaskClient, db: Database, permission: str
) -> None:
    """Kept out of one number, nobody can give the key to it: so nobody would be left who makes administrators."""
    anna, account = member(db, "anna@example.com", ADMIN), str(the_account(db).id)
    said = {"overrides": [{"permission_code": permission, "is_allowed": False, "account_id": account}]}
    assert refusal(client.put(f"/admin/users/{anna}/overrides", json=said)) == (409, "last_admin")
    both = [assign("admin"), assign("viewer")]
    assert client.put(f"/admin/users/{anna}/roles", json={"assignments": both}).status_code == 200
    member(db, "second@example.com", ADMIN)
    assert client.put(f"/admin/users/{anna}/overrides", json=said).status_code == 200


def test_the_last_who_can_make_an_administrator_stays_though_another_holds_the_role(
    client: FlaskClient, db: Database
) -> None:
    account = the_account(db).id
    lesser = member(db, "lesser@example.com", ADMIN, [Override(Permission.MESSAGES_SEND, False, account)])
    anna = member(db, "anna@example.com", ADMIN)
    assert refusal(client.post(f"/admin/users/{anna}/status", json={"is_active": False})) == (409, "last_admin")
    assert client.put(f"/admin/users/{lesser}/overrides", json={"overrides": []}).status_code == 200
    assert client.post(f"/admin/users/{anna}/status", json={"is_active": False}).status_code == 200


def test_single_permissions_make_an_administrator_as_well(client: FlaskClient, db: Database) -> None:
    each = member(db, "each@example.com", (), [Override(permission, True) for permission in Permission])
    anna = member(db, "anna@example.com", ADMIN)
    assert client.put(f"/admin/users/{anna}/roles", json={"assignments": []}).status_code == 200
    assert refusal(client.put(f"/admin/users/{each}/overrides", json={"overrides": []})) == (409, "last_admin")


def test_an_installation_run_by_keys_alone_is_not_held_up(client: FlaskClient, db: Database) -> None:
    anna = member(db, "anna@example.com", [Grant(Role.VIEWER)])
    assert client.post(f"/admin/users/{anna}/status", json={"is_active": False}).status_code == 200


def together(*acts: Callable[[], Any]) -> list[Any]:
    """What came of acts done at the same moment by threads of their own, in order."""
    start = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = acts[number]()
        except DomainError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize(("method", "path", "body"), LOSSES[1::2])
def test_two_administrators_who_remove_each_other_do_not_both_succeed(
    app: Flask, db: Database, method: str, path: str, body: Any
) -> None:
    for attempt in range(5):
        one, two = (member(db, f"{attempt}{name}@example.com", ADMIN) for name in "ab")
        first, second = as_user(app, one), as_user(app, two)
        statuses = together(
            lambda: first.open(f"/admin/users/{two}{path}", method=method, json=body).status_code,  # noqa: B023
            lambda: second.open(f"/admin/users/{one}{path}", method=method, json=body).status_code,  # noqa: B023
        )
        # The slower one is signed out, may do this no longer, or would remove the last one, by what they lost.
        assert sorted(statuses)[0] == 200
        assert sorted(statuses)[1] in (401, 403, 409)
        assert administrators(db) == [two if statuses[1] == 200 else one]
        with db.writing() as session:
            session.execute(delete(User))


def test_two_keys_that_remove_both_administrators_leave_one(app: Flask, db: Database) -> None:
    for attempt in range(5):
        ids = [member(db, f"{attempt}{name}@example.com", ADMIN) for name in "ab"]
        callers = [as_key(app, Role.ADMIN) for _ in ids]
        acts = [
            lambda caller=caller, each=each: (
                caller.put(f"/admin/users/{each}/roles", json={"assignments": []}).status_code
            )
            for caller, each in zip(callers, ids, strict=True)
        ]
        assert sorted(together(*acts)) == [200, 409]
        assert len(administrators(db)) == 1
        with db.writing() as session:
            session.execute(delete(User))


def test_two_invitations_of_one_person_at_the_same_moment_make_one_row(client: FlaskClient, db: Database) -> None:
    def invite() -> int:
        return (
            client.application.test_client()
            .post(
                "/admin/users",
                json={"email": "anna@example.com", "assignments": [assign("viewer")]},
                headers={"Authorization": client.environ_base["HTTP_AUTHORIZATION"]},
            )
            .status_code
        )

    assert sorted(together(*[invite] * 4)) == [200, 200, 200, 201]
    assert len(client.get("/admin/users").json) == 1


def administrators(db: Database) -> list[UUID]:
    """Who may do everything everywhere and at every number, and can sign in: found out the slow way."""
    with db.reading() as session:
        able = select(User).where(User.disabled_at.is_(None), User.subject.is_not(None)).order_by(User.created_at)
        return [
            user.id
            for user in session.execute(able).scalars()
            for found in [principal_of(session, user)]
            if all(held == frozenset(Permission) for held in (found.everywhere, *found.by_account.values()))
        ]


# --- whatever anybody does ---------------------------------------------------------------------------------------

PEOPLE = 4
places = st.sampled_from([None, 0, 1])  # everywhere, or one of two numbers
roles = st.lists(st.tuples(st.sampled_from(BUILT_IN), places), max_size=3, unique=True)
overrides = st.lists(
    st.tuples(
        st.sampled_from([Permission.ROLES_MANAGE, Permission.USERS_MANAGE, Permission.MESSAGES_SEND]),
        st.booleans(),
        places,
    ),
    max_size=3,
    unique_by=lambda each: (each[0], each[2]),
)
who = st.integers(0, PEOPLE - 1)
steps = st.one_of(
    st.tuples(st.just("roles"), who, who, roles),
    st.tuples(st.just("overrides"), who, who, overrides),
    st.tuples(st.just("status"), who, who, st.sampled_from(["active", "disabled"])),
    st.tuples(st.just("key"), who, who, st.tuples(st.sampled_from(BUILT_IN), st.sampled_from([None, [0], [0, 1]]))),
)


@dataclasses.dataclass
class Town:
    """Two numbers and some people, of whom the first is an administrator."""

    db: Database
    accounts: Sequence[UUID]

    def __post_init__(self) -> None:
        with self.db.writing() as session:
            session.execute(delete(User))
            session.execute(delete(ApiKey))
        self.people = [member(self.db, f"{n}@example.com", ADMIN if n == 0 else ()) for n in range(PEOPLE)]

    def place(self, number: int | None) -> UUID | None:
        return None if number is None else self.accounts[number]

    def person(self, number: int) -> Principal | None:
        """None: disabled."""
        try:
            return principal(self.db, self.people[number])
        except UserDisabled:
            return None

    def held(self) -> list[set[tuple[Permission, UUID | None]]]:
        """What each person may do, by asking for every permission at every place."""
        found = []
        for person in map(self.person, range(PEOPLE)):
            mine = set() if person is None else {(each, None) for each in Permission if person.may_everywhere(each)}
            if person is not None:
                mine |= {(each, place) for each in Permission for place in self.accounts if person.may(each, place)}
            found.append(mine)
        return found

    def act(self, what: str, actor: Principal, target: UUID, given: Any) -> None:
        if what == "roles":
            rights.set_roles(
                self.db, actor, target, [Assignment(role.id, self.place(number)) for role, number in given]
            )
        elif what == "overrides":
            said = [Override(permission, allowed, self.place(number)) for permission, allowed, number in given]
            rights.set_overrides(self.db, actor, target, said)
        elif what == "status":
            users.set_active(self.db, actor, target, active=given == "active")
        else:
            accounts = None if given[1] is None else [self.accounts[number] for number in given[1]]
            keys.create_key(self.db, actor, KeyBody(name="k", role_id=given[0].id, accounts=accounts))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(steps, min_size=1, max_size=12))
def test_whatever_anybody_does_an_administrator_remains_and_nobody_gains_what_nobody_gave(
    runtime: Runtime, db: Database, taken: list[Any]
) -> None:
    town = Town(db, sorted(account_ids(db)))
    for what, actor_number, target_number, given_ in taken:
        actor, target = town.person(actor_number), town.people[target_number]
        if actor is None:
            continue  # disabled: no request of theirs comes this far
        before, log = town.held(), len(entries(db))
        try:
            town.act(what, actor, target, given_)
        except DomainError:
            assert town.held() == before
            assert len(entries(db)) == log
            continue
        after = town.held()
        for gained in ((new - old) for new, old in zip(after, before, strict=True)):
            for permission, place in gained:
                assert actor.may_everywhere(permission), "given by somebody who does not hold it"
                assert place is None or actor.may(permission, place), "given where its giver does not hold it"
        needed = Permission.USERS_MANAGE if what == "status" else Permission.ROLES_MANAGE
        assert actor.may_everywhere(needed)
        assert administrators(db), "nobody is left who could give permissions"


def account_ids(db: Database) -> list[UUID]:
    """Two numbers."""
    while len(found := [account.id for account in all_accounts(db)]) < 2:
        another_account(db)
    return found


def test_a_change_that_changes_nothing_leaves_no_entry(client: FlaskClient, db: Database) -> None:
    member(db, "boss@example.com", ADMIN)
    anna = member(db, "anna@example.com", [Grant(Role.VIEWER)], name="Anna")
    log = len(entries(db))
    for method, path, body in [
        ("PUT", "/roles", {"assignments": [assign("viewer")]}),
        ("PUT", "/overrides", {"overrides": []}),
        ("POST", "/status", {"is_active": True}),
        ("PATCH", "", {"name": "Anna"}),
    ]:
        assert client.open(f"/admin/users/{anna}{path}", method=method, json=body).status_code == 200
    assert len(entries(db)) == log
