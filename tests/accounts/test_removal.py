"""A removed number sends nothing, shows nothing and counts nowhere; it comes back whole, or is forgotten for good."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from inbox.accounts import removal
from inbox.accounts.adding import ensure_default
from inbox.accounts.changes import resume
from inbox.accounts.service import all_accounts, verify_token_matches
from inbox.clock import parse_rfc3339, utc_now
from inbox.db import Database
from inbox.models import (
    Account,
    Annotation,
    AuditEntry,
    BotProfile,
    Contact,
    ContactChange,
    Conversation,
    DeadLetter,
    Job,
    JobKind,
    Lane,
    Message,
    ParkedStatus,
    Pause,
)
from inbox.operations.doctor import examine
from inbox.operations.incidents import _held_back
from inbox.outbox import jobs, store
from inbox.outbox.due import next_send
from inbox.outbox.outcomes import Accepted, Outcome, PauseNumber, Refused, RetryLater, Scope, Unknown
from inbox.runtime import Runtime, crews_of
from tests.builders import NUMBER_ID, all_messages, dead_letters, ingest, status, text_message, the_account, webhook
from tests.outbox.world import World

BODY: dict[str, Any] = {
    "name": "Back again",
    "phone_number_id": NUMBER_ID,
    "phone_number": "33700000000",
    "access_token": "a-new-token",
}
KEPT = timedelta(days=30)


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


@pytest.fixture
def url(db: Database) -> str:
    return f"/accounts/{the_account(db).id}"


def count(db: Database, table: type) -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def purge(db: Database, kept: timedelta = KEPT) -> int:
    """Step until there is nothing more to do. How many steps."""
    steps = 1
    while removal.continue_removals(db, kept):
        steps += 1
    return steps


def actions(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.execute(select(AuditEntry.action).order_by(AuditEntry.id)).scalars())


# --- out of use at once ------------------------------------------------------------------------------------------


def test_a_removed_number_is_gone_for_everybody(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str
) -> None:
    ingest(runtime, webhook(messages=[text_message()], contacts=[]))
    (talk,) = client.get(f"/conversations?account_id={url[10:]}").json
    answer = client.delete(url)
    assert answer.status_code == 200
    assert answer.json["status"] == "ok"
    assert parse_rfc3339(answer.json["restorable_until"]) == world.now + KEPT
    account = the_account(db)
    assert (account.deleted_at, account.access_token_encrypted, account.verify_token_hash) == (world.now, None, None)
    assert client.get("/accounts").json == []
    assert all_accounts(db) == []
    for path in (url, f"/bot/profile/{url[10:]}", f"/conversations?account_id={url[10:]}"):
        assert client.get(path).json["code"] == "account_not_found"
    assert client.get(f"/contacts?account_id={url[10:]}").json["code"] == "account_not_found"
    assert client.post(f"/bot/preview/{url[10:]}", json={"message": "hello"}).json["code"] == "account_not_found"
    assert client.put(f"/bot/profile/{url[10:]}", json={"business_name": "x"}).json["code"] == "account_not_found"
    assert client.get(f"/conversations/{talk['id']}").json["code"] == "conversation_not_found"
    assert client.get(f"/messages/{talk['id']}").json["code"] == "conversation_not_found"
    for method in ("DELETE", "PATCH"):
        assert client.open(url, method=method, json={}).status_code == 404
    assert not resume(db, runtime.cipher, NUMBER_ID, None)


def test_its_verify_token_is_good_for_nothing(client: FlaskClient, runtime: Runtime, url: str) -> None:
    client.patch(url, json={"verify_token": "once-good"})
    assert verify_token_matches(runtime.db, runtime.config, "once-good")
    client.delete(url)
    assert not verify_token_matches(runtime.db, runtime.config, "once-good")


def test_what_waits_fails_in_plain_words_and_answers_and_receipts_are_dropped(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str
) -> None:
    ingest(runtime, webhook(messages=[text_message()], contacts=[]))
    world.queue("one")
    world.queue("two")
    world.queue("elsewhere", to="other")
    with db.writing() as session:
        talk = world.conversation(session)
        jobs.request_answers(session, [jobs.Owed(talk.account_id, talk.id, world.now)], world.now, 0.0)
        jobs.request_receipt(session, talk.account_id, talk.id, "wamid.1", world.now)
    client.delete(url)
    assert world.jobs() == []
    for text in ("one", "two", "elsewhere"):
        message = world.message(text)
        assert (message.status, message.error_code) == ("failed", "account_deleted")
        assert message.error_title == "The business number was removed before this was sent."
    assert world.claim() == []


def test_a_paused_number_with_many_conversations_is_withdrawn_in_parts(
    client: FlaskClient, world: World, db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BATCH", 4)
    for number in range(10):
        world.queue(str(number), to=f"customer {number}")
    client.delete(url)
    assert len(world.jobs()) == 6
    assert world.claim() == []
    early = client.post("/accounts", json=BODY)  # six are left, of which it takes back four
    assert (early.status_code, early.json["code"]) == (503, "account_being_removed")
    assert len(world.jobs()) == 2
    assert removal.continue_removals(db, KEPT) is False
    assert world.jobs() == []
    assert client.post("/accounts", json=BODY).json["restored"] is True


OUTCOMES: list[tuple[Outcome, str, str | None]] = [
    (Accepted("wamid.x"), "sent", None),
    (Refused("131026", "The customer cannot be reached"), "failed", "131026"),
    (RetryLater("refused"), "failed", "account_deleted"),
    (RetryLater("slow", Scope.NUMBER, 5.0), "failed", "account_deleted"),
    (PauseNumber(Pause.TOKEN_EXPIRED), "failed", "account_deleted"),
    (Unknown("reset"), "unconfirmed", None),
]


@pytest.mark.parametrize(("outcome", "shown", "code"), OUTCOMES)
@pytest.mark.parametrize("back", [False, True])
def test_a_send_in_flight_ends_by_itself_and_is_never_repeated(
    client: FlaskClient,
    world: World,
    db: Database,
    url: str,
    outcome: Outcome,
    shown: str,
    code: str | None,
    back: bool,
) -> None:
    world.queue("under way")
    world.queue("behind it")
    (claim,) = world.claim()
    client.delete(url)
    if back:
        assert client.post("/accounts", json=BODY).json["restored"] is True
    world.record(claim, outcome)
    message = world.message("under way")
    assert (message.status, message.error_code) == (shown, code)
    assert world.message("behind it").error_code == "account_deleted"
    assert world.jobs() == []
    assert the_account(db).paused_reason is None
    if not back:
        client.post("/accounts", json=BODY)
    for seconds in (20, 600):
        world.advance(seconds)
        assert (world.settle(120.0), world.claim()) == (0, [])
    world.queue("something new")
    assert [claim.text for claim in world.claim()] == ["something new"]


def test_a_status_that_comes_after_the_return_settles_what_was_in_flight(
    client: FlaskClient, world: World, url: str
) -> None:
    world.queue("under way")
    (claim,) = world.claim()
    client.delete(url)
    client.post("/accounts", json=BODY)
    world.echo(claim, "wamid.x", "delivered")
    assert world.message("under way").status == "delivered"
    world.record(claim, RetryLater("the answer was lost"))
    assert world.message("under way").status == "delivered"


def test_an_unknown_send_stays_unconfirmed_and_a_person_may_send_it_again_after_the_return(
    client: FlaskClient, world: World, url: str
) -> None:
    world.queue("perhaps")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    client.delete(url)
    assert world.message("perhaps").status == "unconfirmed"
    client.post("/accounts", json=BODY)
    world.advance(600)
    assert (world.settle(120.0), world.claim()) == (0, [])
    world.resend(world.message("perhaps").id)
    assert [claim.text for claim in world.claim()] == ["perhaps"]


def test_webhooks_for_it_are_those_of_an_unknown_number(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str
) -> None:
    client.delete(url)
    ingest(runtime, webhook(messages=[text_message("too late")], contacts=[], statuses=[status("read")]))
    assert [letter.reason for letter in dead_letters(db)] == ["unknown_phone_number_id"] * 2
    assert (count(db, Message), count(db, ParkedStatus), world.jobs()) == (0, 0, [])


def test_what_came_while_it_was_gone_for_a_moment_is_taken_in(
    client: FlaskClient, runtime: Runtime, db: Database, url: str
) -> None:
    housekeeping = crews_of(runtime).housekeeping
    housekeeping.receipts(1)
    client.delete(url)
    ingest(runtime, webhook(messages=[text_message("meanwhile")]))
    assert client.post("/accounts", json=BODY).json["restored"] is True
    housekeeping.receipts(1)  # whose last look was before it went
    ingest(runtime)
    assert [message.content_text for message in all_messages(db)] == ["meanwhile"]


def test_a_notice_about_its_account_pauses_it_no_more(client: FlaskClient, runtime: Runtime, url: str) -> None:
    client.patch(url, json={"waba_id": "100000000000001"})
    client.delete(url)
    ingest(runtime, webhook(field="account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": ["DISABLE"]}))
    assert the_account(runtime.db).paused_reason is None


# --- it counts nowhere -------------------------------------------------------------------------------------------


def slipped_in(world: World, db: Database) -> None:
    """Jobs of a removed number, by requests that had begun before."""
    world.queue("slipped in")
    with db.writing() as session:
        talk = world.conversation(session)
        jobs.request_answers(session, [jobs.Owed(talk.account_id, talk.id, world.now)], world.now, 0.0)
        jobs.request_receipt(session, talk.account_id, talk.id, "wamid.1", world.now)


def test_jobs_that_slipped_in_are_not_claimed_not_counted_and_swept(
    client: FlaskClient, world: World, db: Database, url: str
) -> None:
    client.delete(url)
    slipped_in(world, db)
    world.advance(60)
    with db.writing() as session:
        assert next_send(session) is None
        assert store.claim_sends(session, world.now, 10) == []
        for kind in (JobKind.ANSWER, JobKind.READ):
            assert session.scalar(jobs.first_due(kind)) is None
            assert jobs.claim_jobs(session, kind, world.now, 10) == []
        assert jobs.depth(session, world.now) == jobs.Depth(0, 0.0, 0)
        for upstream in ("whatsapp", "gemini"):
            held = _held_back(upstream, world.now)
            assert session.execute(select(func.count()).select_from(held)).scalar_one() == 0
    assert len(world.jobs()) == 3
    removal.continue_removals(db, KEPT)
    assert world.jobs() == []


def test_evidence_moves_nothing_of_it(client: FlaskClient, world: World, db: Database, url: str) -> None:
    world.queue("perhaps")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.advance(30)
    world.deliver_other("evidence")
    with db.writing() as session:
        account = session.execute(select(Account)).scalar_one()
        account.deleted_at = world.now  # as between the two transactions of a removal
    world.advance(600)
    assert world.settle(120.0) == 0
    assert world.message("perhaps").status == "unconfirmed"


def test_health_and_doctor_do_not_see_it(client: FlaskClient, runtime: Runtime, db: Database, url: str) -> None:
    with db.writing() as session:
        account = session.execute(select(Account)).scalar_one()
        account.paused_reason, account.paused_at = Pause.TOKEN_EXPIRED, db.now(session)
        content = {"model": "a-model-of-its-own"}
        session.add(BotProfile(account_id=account.id, content=content, updated_at=db.now(session)))
    client.delete(url)
    runtime.health.refresh().join()
    snapshot = runtime.health.snapshot()
    assert snapshot.outbox is not None
    assert snapshot.outbox.paused_numbers == 0
    assert snapshot.dependencies["whatsapp"].status == "not_configured"
    findings = examine(runtime, limit=2.0)
    assert not [finding for finding in findings if "33700000000" in finding.what or "a-model" in finding.what]
    assert [finding.what for finding in findings if finding.what == "numbers"] == ["numbers"]


# --- back --------------------------------------------------------------------------------------------------------


def test_adding_it_again_brings_everything_back(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str
) -> None:
    ingest(runtime, webhook(messages=[text_message()], contacts=[]))
    client.put(f"/bot/profile/{url[10:]}", json={"business_name": "Bakery"})
    before = client.get(f"/conversations?account_id={url[10:]}").json
    client.patch(url, json={"paused": True})
    client.delete(url)
    world.advance(KEPT.total_seconds() - 1)
    purge(db)
    (removed,) = client.get("/accounts?removed=true").json
    assert (removed["id"], removed["phone_number_id"]) == (url[10:], BODY["phone_number_id"])
    assert parse_rfc3339(removed["restorable_until"]) > world.now
    answer = client.post("/accounts", json=BODY)
    assert (answer.status_code, answer.json["restored"]) == (201, True)
    assert answer.json["id"] == url[10:]
    assert (answer.json["name"], answer.json["paused_reason"]) == ("Back again", None)
    assert answer.json["waba_id"] == "100000000000001"  # learned before
    after = client.get(f"/conversations?account_id={url[10:]}").json
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert client.get(f"/bot/profile/{url[10:]}").json["business_name"] == "Bakery"
    again = client.post("/accounts", json=BODY)
    assert (again.status_code, again.json["restored"]) == (200, False)
    assert actions(db)[-2:] == ["account.deleted", "account.restored"]
    assert client.get("/accounts?removed=true").json == []


def test_an_environment_that_names_it_brings_it_back(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.queue("old")
    client.delete(url)
    with caplog.at_level(logging.INFO):
        assert ensure_default(db, runtime.config, runtime.cipher)
    assert "number restored" in caplog.text
    account = the_account(db)
    assert (str(account.id), account.deleted_at) == (url[10:], None)
    assert runtime.cipher.decrypt(account.access_token_encrypted or "") == "test-access-token"
    assert world.claim() == []
    assert not ensure_default(db, runtime.config, runtime.cipher)


# --- for good ----------------------------------------------------------------------------------------------------


def furnish(world: World, runtime: Runtime, db: Database) -> None:
    """One of everything that can belong to a number."""
    react = {"from": "33600000001", "id": "wamid.r", "timestamp": "1795165200", "type": "reaction"}
    react["reaction"] = {"message_id": "wamid.1", "emoji": "+"}  # type: ignore[assignment]
    orphan = react | {"id": "wamid.o", "reaction": {"message_id": "wamid.nobody", "emoji": "+"}}
    ingest(runtime, webhook(messages=[text_message(), react, orphan], contacts=[], statuses=[status("sent")]))
    for number in range(7):
        world.queue(str(number), to=f"customer {number % 3}")
    with db.writing() as session:
        account = session.execute(select(Account).order_by(Account.created_at).limit(1)).scalar_one()
        session.add(BotProfile(account_id=account.id, content={}, updated_at=world.now))
        contact = session.execute(select(Contact).limit(1)).scalar_one()
        session.add(
            ContactChange(account_id=account.id, contact_id=contact.id, kind="merged", details={}, at=world.now)
        )


TABLES = [Contact, ContactChange, Conversation, Message, Annotation, ParkedStatus, Job, Lane, BotProfile]


def test_after_the_retention_nothing_is_left_but_an_empty_row(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_ROWS", 3)
    monkeypatch.setattr(removal, "_CONVERSATIONS", 2)
    furnish(world, runtime, db)
    client.delete(url)
    letters = count(db, DeadLetter)
    world.advance(KEPT.total_seconds() - 1)
    assert purge(db) == 1
    assert all(count(db, table) for table in TABLES if table is not Job)
    world.advance(1)
    assert purge(db) > 1
    assert [table.__name__ for table in TABLES if count(db, table)] == []
    account = the_account(db)
    assert (account.name, account.phone_number, account.waba_id) == ("", None, None)
    assert NUMBER_ID not in account.phone_number_id
    assert count(db, DeadLetter) == letters
    assert purge(db) == 1  # nothing to do any more
    assert actions(db)[-1] == "account.purged"


def test_other_numbers_keep_everything(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str
) -> None:
    world.now = utc_now()  # the first number is as old as the fixture
    gone = client.post("/accounts", json=BODY | {"phone_number_id": "5"}).json["id"]
    furnish(world, runtime, db)
    ingest(runtime, webhook(number_id="5", messages=[text_message(wa_id="wamid.1")], contacts=[]))
    before = {table: count(db, table) for table in TABLES}
    client.delete(f"/accounts/{gone}")
    world.advance(KEPT.total_seconds())
    purge(db)
    after = {table: count(db, table) for table in TABLES}
    less = {Contact: 1, Conversation: 1, Message: 1, Job: 1}  # the job: an answer
    assert after == {table: before[table] - less.get(table, 0) for table in TABLES}
    assert len(client.get(f"/conversations?account_id={url[10:]}").json) == 4


def test_once_forgetting_has_begun_the_same_id_makes_a_number_of_its_own(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_ROWS", 1)
    monkeypatch.setattr(removal, "_ROUNDS", 1)
    furnish(world, runtime, db)
    client.delete(url)
    world.advance(KEPT.total_seconds())
    removal.continue_removals(db, KEPT)
    answer = client.post("/accounts", json=BODY)
    assert (answer.status_code, answer.json["restored"]) == (201, False)
    assert answer.json["id"] != url[10:]
    assert client.get(f"/conversations?account_id={answer.json['id']}").json == []
    purge(db)
    assert count(db, Conversation) == 0
    assert [row["id"] for row in client.get("/accounts").json] == [answer.json["id"]]


def test_after_the_retention_the_same_id_is_free_although_nobody_purged_yet(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str
) -> None:
    furnish(world, runtime, db)
    client.delete(url)
    world.advance(KEPT.total_seconds())
    assert client.post("/accounts", json=BODY).json["restored"] is False
    purge(db)
    assert (count(db, Conversation), count(db, Account)) == (0, 2)


def test_a_longer_retention_later_does_not_bring_back_half_a_number(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_ROWS", 1)
    monkeypatch.setattr(removal, "_ROUNDS", 1)
    furnish(world, runtime, db)
    client.delete(url)
    world.advance(KEPT.total_seconds())
    removal.continue_removals(db, KEPT)
    longer = dataclasses.replace(runtime.config, account_retention_days=90)
    assert ensure_default(db, longer, runtime.cipher)
    assert [str(row.id) != url[10:] for row in all_accounts(db)] == [True]


def test_a_record_that_comes_after_the_end_changes_nothing(
    client: FlaskClient, world: World, db: Database, url: str
) -> None:
    world.queue("under way")
    (claim,) = world.claim()
    client.delete(url)
    world.advance(KEPT.total_seconds())
    purge(db)
    assert world.record(claim, Accepted("wamid.x")) is False


@pytest.mark.parametrize("what", ["_withdraw", "_purge"])
def test_the_crew_that_prunes_goes_on_removing(
    client: FlaskClient, world: World, runtime: Runtime, db: Database, url: str, what: str
) -> None:
    furnish(world, runtime, db)
    client.delete(url)
    slipped_in(world, db)
    if what == "_purge":
        world.advance(KEPT.total_seconds())
    rest = crews_of(runtime).housekeeping
    claim: Callable[[int], Any] = rest.receipts
    assert claim(1) == []
    assert world.jobs() == []
    assert count(db, Conversation) == (0 if what == "_purge" else 5)
