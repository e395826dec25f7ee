"""Outcomes of sends that end together are stored together, and none holds up another."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import DataError

from inbox.db import Database, gathering
from inbox.errors import DatabaseUnavailable
from inbox.outbox import store
from inbox.outbox.outcomes import Accepted, Outcome, Refused, SendClaim, Unknown
from inbox.outbox.recording import Recorder
from inbox.runtime import Runtime
from tests.builders import status, webhook
from tests.outbox.world import World
from tests.queries import asked
from tests.waiting import wait_until

CUSTOMERS = ("a", "b", "c")


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


@pytest.fixture
def claims(world: World) -> list[SendClaim]:
    for customer in CUSTOMERS:
        world.queue(f"to {customer}", to=customer)
    return sorted(world.claim(), key=lambda claim: claim.text)


def recorded(
    world: World, monkeypatch: pytest.MonkeyPatch, claims: Sequence[SendClaim], outcomes: Sequence[Outcome]
) -> list[Exception | None]:
    """Record them by a thread each, all at once: what each thread got."""
    monkeypatch.setattr(gathering, "GATHER", 60.0)
    recorder = Recorder(world.db, random.Random(0))

    def record(claim: SendClaim, outcome: Outcome) -> Exception | None:
        try:
            recorder.record(claim, outcome)
        except Exception as error:
            return error
        return None

    with ThreadPoolExecutor(len(claims)) as threads:
        with recorder.sends.under_way():  # the first waits for this one
            waiting = [threads.submit(record, *each) for each in zip(claims, outcomes, strict=True)]
            wait_until(lambda: len(recorder.sends._waiting) == len(claims), "all threads to wait")
        return [each.result() for each in waiting]


def shown(world: World) -> list[str]:
    return [world.message(f"to {customer}").status for customer in CUSTOMERS]


def test_what_ends_together_is_stored_in_one_transaction(
    world: World, db: Database, claims: list[SendClaim], monkeypatch: pytest.MonkeyPatch
) -> None:
    with asked(db) as statements:
        outcomes = [Accepted(f"wamid.{claim.text}") for claim in claims]
        assert recorded(world, monkeypatch, claims, outcomes) == [None, None, None]
    assert shown(world) == ["sent", "sent", "sent"]
    assert sum(statement.startswith("BEGIN") for statement in statements) == 1
    if db.is_postgres:
        assert len(statements) <= 4  # beside COMMIT, however many they are
    world.queue("next", to="a")
    assert [claim.text for claim in world.claim()] == ["next"]


def test_each_outcome_is_stored_whatever_those_beside_it_are(
    world: World, claims: list[SendClaim], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.advance(store.LEASE.total_seconds() + 1)
    assert world.claim() == []  # the leases have ended: all are unknown
    outcomes = [Accepted("wamid.a"), Refused("131026", "Not on WhatsApp"), Unknown("reset")]
    assert recorded(world, monkeypatch, claims, outcomes) == [None, None, None]
    assert shown(world) == ["sent", "failed", "unconfirmed"]


def test_statuses_that_came_first_are_merged(
    world: World, claims: list[SendClaim], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ingest(webhook(statuses=[status("read", wa_id="wamid.b", at=int(world.now.timestamp()))]))
    recorded(world, monkeypatch, claims, [Accepted(f"wamid.{customer}") for customer in CUSTOMERS])
    assert shown(world) == ["sent", "read", "sent"]


def test_one_that_cannot_be_stored_holds_up_no_other(
    world: World, claims: list[SendClaim], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise mistake

    mistake, real = DataError("UPDATE", {}, ValueError("a strange value")), store.record

    def strange(session: object, claim: SendClaim, *more: object, **options: object) -> bool:
        if claim.text == "to b":
            raise mistake
        return real(session, claim, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "record_accepted", refuses)
    monkeypatch.setattr(store, "record", strange)
    outcomes = [Accepted(f"wamid.{customer}") for customer in CUSTOMERS]
    assert recorded(world, monkeypatch, claims, outcomes) == [None, mistake, None]
    assert shown(world) == ["sent", "sending", "sent"]


def test_all_hear_that_the_database_is_away(
    world: World, claims: list[SendClaim], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(store, "record_accepted", away)
    errors = recorded(world, monkeypatch, claims, [Accepted(f"wamid.{customer}") for customer in CUSTOMERS])
    assert [type(error) for error in errors] == [DatabaseUnavailable] * 3
