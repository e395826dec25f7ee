"""The predecessor's database taken over: whole, once, and without anything that follows from it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from inbox import create_app
from inbox.accounts import changes, removal
from inbox.accounts.schemas import AccountPatch
from inbox.auth.access import OPERATOR, Access, Permission, Role, resolve
from inbox.auth.identities import grants_of, overrides_of
from inbox.clock import utc_now
from inbox.conversations.schemas import MessageQuery
from inbox.conversations.threads import list_messages
from inbox.errors import MediaNotFound
from inbox.legacy import messages, reading, source
from inbox.media.service import Asked, Shelves, get_media
from inbox.models import (
    Account,
    Annotation,
    Base,
    BotProfile,
    Contact,
    Conversation,
    Job,
    JobKind,
    MediaFile,
    Message,
    RoleDefinition,
    User,
)
from inbox.privacy.erasing import erase
from inbox.runtime import Runtime, runtime_of
from tests.builders import NUMBER_ID, all_messages, ingest, text_message, the_account, webhook
from tests.legacy.conftest import Old, counts, left_out, noted, take
from tests.servers import Databases
from tests.settings import settings as app_settings

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
LONG_AGO = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
EVERYTHING = Access(OPERATOR, Permission.ACCOUNTS_MANAGE)


def rows(runtime: Runtime) -> dict[str, int]:
    """How many there are in each table but those that tell of the run itself."""
    tables = [table for table in Base.metadata.sorted_tables if table.name not in ("audit_log", "processes")]
    with runtime.db.reading() as session:
        return {table.name: session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


def every(runtime: Runtime, entity: Any) -> list[Any]:
    with runtime.db.reading() as session:
        return list(session.execute(select(entity)).scalars())


def number(old: Old, number_id: str = "300000000000001", **more: Any) -> str:
    values = {"name": "Shop", "slug": number_id, "access_token": "EAAold", "verify_token": "old-verify"}
    return old.add(
        "whatsapp_accounts", **values | {"phone_number_id": number_id, "phone_number": "+33 7 00 00 00 01"} | more
    )


def thread(old: Old, account: str | None, phone: str, **more: Any) -> tuple[str, str]:
    """A contact and a conversation."""
    contact = old.add("contacts", whatsapp_number=phone, display_name=more.pop("name", "Ana"))
    return contact, old.add("conversations", contact_id=contact, account_id=account, client_number=phone, **more)


def message(old: Old, conversation: str | None, text: str | None, minute: int = 0, **more: Any) -> str:
    at = (LONG_AGO + timedelta(minutes=minute)).replace(tzinfo=None)  # as there: UTC, and no zone
    given = {
        "direction": "inbound",
        "content_text": text,
        "timestamp": at,
        "message_type": "text",
        "status": "received",
    }
    return old.add("messages", conversation_id=conversation, **given | more)


def test_a_whole_inbox_is_taken_over_once(runtime: Runtime, old: Old) -> None:
    account = number(old, waba_id="123", bot_auto_on=True)
    old.add(
        "bot_profiles",
        account_id=account,
        business_name="Bakery",
        hours="8-18",
        custom_fields=[{"id": "1", "label": "Wifi", "value": "yes"}, {"label": "Two", "value": 2}],
        template_config={"company": {"zone": "Lyon", "name": "x" * 600}},
    )
    agent = old.add("app_users", user_id=str(uuid.uuid4()), email="Ana@Example.com", display_name="Ana A.")
    contact, talk = thread(old, account, "+33 6 00 00 00 02", unread_count=2, is_favorite=True, bot_enabled=True)
    first = message(old, talk, "hello", wa_message_id="wamid.a")
    sent = message(
        old, talk, "hi", 1, direction="outbound", status="read", wa_message_id="wamid.b", sent_by_user_id=agent,
        sent_via="ui", reply_to_message_id=first,
    )  # fmt: skip
    picture = message(
        old, talk, None, 2, message_type="image", media_id="900", media_mime_type="image/jpeg", storage_url="https://x"
    )
    failed = message(
        old, talk, "late", 3, direction="outbound", status="failed", error_message="Code 131047: hors fenêtre"
    )
    waiting = message(old, talk, "soon", 4, direction="outbound", status="queued", sent_via="bot")
    message(old, talk, "[status update]", 5, direction="outbound", message_type="status", is_system=True)
    message(old, talk, "regret", 6, wa_message_id="wamid.c", deleted_for_all_at=LONG_AGO)
    old.add("message_reactions", message_id=sent, wa_message_id="wamid.r", emoji="👍", from_number="33600000002")
    old.add("message_reactions", message_id=first, emoji="❤️", from_number="33700000001")
    old.add("message_reactions", message_id=failed, emoji="?", from_number="33600000002")

    before = rows(runtime)
    looked = take(runtime, old.url, writes=False)
    assert rows(runtime) == before
    done = take(runtime, old.url, writes=True)
    assert counts(done) == counts(looked) == {
        "numbers": (1, 1, 0, 0),
        "users": (1, 1, 0, 0),
        "bot profiles": (1, 1, 0, 0),
        "contacts": (1, 1, 0, 0),
        "conversations": (1, 1, 0, 0),
        "messages": (7, 6, 0, 1),
        "reactions": (3, 2, 0, 1),
    }  # fmt: skip
    assert left_out(done) == left_out(looked) == {("messages", "RECEIPT", 1), ("reactions", "NO_TARGET", 1)}
    assert noted(done) == {
        ("users", "INVITED", 1),
        ("bot profiles", "PART_LEFT", 1),
        ("messages", "NO_FILE", 1),
        ("messages", "NOT_SENT", 1),
    }
    assert done.others == {"broadcast_groups"}

    new = next(each for each in every(runtime, Account) if each.id == UUID(account))
    assert (new.phone_number, new.waba_id, new.bot_auto_on) == ("33700000001", "123", True)
    assert runtime.cipher.decrypt(new.access_token_encrypted or "") == "EAAold"
    (profile,) = every(runtime, BotProfile)
    assert profile.content["template_config"]["company"]["zone"] == "Lyon"
    assert "name" not in profile.content["template_config"]["company"]
    assert [each["value"] for each in profile.content["custom_fields"]] == ["yes", "2"]

    (person,), (talked,) = every(runtime, Contact), every(runtime, Conversation)
    assert (str(person.id), person.phone, person.display_name) == (contact, "33600000002", "Ana")
    assert (str(talked.id), talked.unread_count, talked.is_favorite, talked.bot_enabled) == (talk, 2, True, True)
    assert (talked.waiting_since, talked.asked_through, talked.answered_through) == (None, 0, 6)
    assert (talked.last_message, talked.last_inbound_at) == ("[deleted]", LONG_AGO + timedelta(minutes=6))

    told = all_messages(runtime.db)
    assert [each.position for each in told] == [1, 2, 3, 4, 5, 6]
    assert not any(each.awaits_answer for each in told)
    states = {str(each.id): (each.status, each.error_code, each.author_kind) for each in told}
    assert states[first] == ("received", None, "customer")
    assert states[sent] == ("read", None, "agent")
    assert states[failed] == ("failed", "131047", "agent")
    assert states[waiting] == ("failed", "never_sent", "bot")
    assert [each.problem for each in every(runtime, MediaFile)] == ["gone"]
    assert every(runtime, Job) == []  # nothing is sent, answered or fetched
    assert all(each.stored_at == each.timestamp for each in told)  # nor announced as new
    shelves = Shelves(runtime.store, runtime.media, runtime.cipher, 5.0)
    with pytest.raises(MediaNotFound):  # WhatsApp, which is away here, is not asked
        get_media(runtime.db, shelves, EVERYTHING, UUID(picture), Asked(has=lambda _: False))

    shown = list_messages(runtime.db, EVERYTHING, UUID(talk), MessageQuery()).rows
    assert (shown[0].timestamp, shown[1].author.name) == (LONG_AGO, "Ana A.")
    assert shown[1].quoted is not None
    assert shown[1].quoted.content_text == "hello"
    assert [each.emoji for each in shown[1].reactions] == ["👍"]
    assert {each.actor for each in every(runtime, Annotation)} == {contact, "business"}

    taken = rows(runtime)
    again = take(runtime, old.url, writes=True)
    assert rows(runtime) == taken
    assert all((read, new) == (here + left, 0) for read, new, here, left in counts(again).values())


def test_what_was_cut_short_goes_on_and_what_is_new_comes_later(runtime: Runtime, old: Old) -> None:
    """A number and a customer that are here already are joined; their own messages are not doubled."""
    account = number(old, NUMBER_ID, phone_number=None)
    ingest(runtime, webhook(messages=[text_message("live", wa_id="wamid.live", phone="33600000003")]))
    _, talk = thread(old, account, "0033 600000003", unread_count=4)
    _, other = thread(old, account, "33600000004")
    message(old, talk, "live", 1, wa_message_id="wamid.live")
    for minute in range(source.FETCHED + 20):
        message(old, other, f"number {minute}", minute)

    def stop(name: str) -> None:
        if name == "messages":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(runtime, old.url, writes=True, stop=stop)
    assert 0 < rows(runtime)["messages"] < source.FETCHED + 21
    done = take(runtime, old.url, writes=True)
    read, taken, here, left = counts(done)["messages"]
    assert (read, left) == (source.FETCHED + 21, 0)
    assert taken + here == read
    assert here >= 20
    assert rows(runtime)["messages"] == read
    joined = next(each for each in every(runtime, Conversation) if str(each.id) != other)
    assert (joined.unread_count, joined.asked_through > joined.answered_through) == (1, True)  # as it was

    message(old, other, "one more", 10_000, wa_message_id="wamid.more")
    old.sql("UPDATE conversations SET unread_count = 3 WHERE id = %s", other)
    assert counts(take(runtime, old.url, writes=True))["messages"][:2] == (read + 1, 1)
    with runtime.db.reading() as session:
        found = session.get_one(Conversation, UUID(other))
    assert (found.unread_count, found.last_message, found.waiting_since) == (3, "one more", None)
    assert {each.kind for each in every(runtime, Job)} <= {JobKind.ANSWER}  # of the live message


@on_sqlite
def test_people_keep_what_they_may_and_gain_nothing(runtime: Runtime, old: Old) -> None:
    first, second = number(old), number(old, "300000000000002", is_active=False, access_token="two words")
    lost = number(old, "legacy-phone-id")
    named = {
        "admin": [each.value for each in Permission] + ["permissions.manage"],
        "manager": sorted(Role.MANAGER.permissions),
        "viewer": ["messages.view"],
        "Dev Team": ["messages.view", "permissions.view"],
        "empty": ["axelia.access"],
    }
    roles = {slug: old.add("app_roles", slug=slug, name=slug) for slug in named}
    for slug, codes in named.items():
        for code in codes:
            old.add("role_permissions", role_id=roles[slug], permission_code=str(code))
    ana, ben, ghost, off = (
        old.add("app_users", email=email, is_active=email != "off@example.com")
        for email in ("ana@example.com", "ben@example.com", "not an address", "off@example.com")
    )
    old.add("app_user_roles", user_id=ana, role_id=roles["admin"])
    old.add("app_user_roles", user_id=ben, role_id=roles["manager"])
    old.add("app_user_roles", user_id=ben, role_id=roles["admin"], account_id=lost)  # must not become all numbers
    old.add("app_user_roles", user_id=off, role_id=roles["Dev Team"], account_id=first)
    old.add("app_user_roles", user_id=ghost, role_id=roles["manager"])
    old.add("app_user_overrides", user_id=ben, permission_code="contacts.view", account_id=first, is_allowed=True)
    old.add("app_user_overrides", user_id=ben, permission_code="contacts.view", account_id=first, is_allowed=False)
    old.add("app_user_overrides", user_id=ben, permission_code="playground.access", is_allowed=True)
    old.add("user_account_access", user_id=ben, account_id=second, access_level="lecture")
    old.add("user_account_access", user_id=ana, account_id=second, access_level="aucun")

    done = take(runtime, old.url, writes=True)
    assert left_out(done) == {
        ("numbers", "NO_NUMBER_ID", 1),
        ("roles", "NO_PERMISSIONS", 1),
        ("users", "NO_SIGN_IN", 1),
        ("roles of users", "NO_NUMBER", 1),
        ("roles of users", "NO_USER", 1),
        ("single permissions", "NO_PERMISSION", 1),
    }
    assert noted(done) >= {("numbers", "CANNOT_SEND", 1), ("numbers", "INACTIVE", 1), ("roles", "SOME_PERMISSIONS", 1)}
    assert not done.complete
    accounts = {str(each.id): each for each in every(runtime, Account)}
    assert accounts[second].paused_reason == "paused_by_a_person"
    made = {each.slug: each.permissions for each in every(runtime, RoleDefinition) if each.permissions}
    assert made == {"legacy-viewer": ["messages.view"], "dev-team": ["messages.view"]}
    with runtime.db.reading() as session:
        held = {
            user: resolve(grants_of(session, UUID(user)), overrides_of(session, UUID(user))) for user in (ana, ben, off)
        }
        assert session.get_one(User, UUID(off)).disabled_at is not None
        assert session.get_one(User, UUID(ana)).subject is None
    everywhere, by_account = held[ben]
    assert everywhere == Role.MANAGER.permissions
    assert by_account[UUID(second)] == Role.VIEWER.permissions
    assert Permission.CONTACTS_VIEW not in by_account[UUID(first)]
    assert held[ana] == (frozenset(Permission), {UUID(second): frozenset()})
    assert held[off] == (frozenset(), {UUID(first): frozenset({Permission.MESSAGES_VIEW})})

    # A number that is corrected later brings what was said of it, also to those who are here by then.
    old.sql("UPDATE whatsapp_accounts SET phone_number_id = '300000000000003' WHERE id = %s", lost)
    old.add("user_account_access", user_id=ana, account_id=lost, access_level="aucun")
    take(runtime, old.url, writes=True)
    with runtime.db.reading() as session:
        held = {user: resolve(grants_of(session, UUID(user)), overrides_of(session, UUID(user))) for user in (ana, ben)}
    assert held[ana][1][UUID(lost)] == frozenset()
    assert held[ben][1][UUID(lost)] == frozenset(Permission)


@on_sqlite
def test_with_supabase_the_same_accounts_sign_in(runtime: Runtime, old: Old) -> None:
    number(old)
    user = old.add("app_users", email=None, display_name="By phone")
    old.add("app_users", user_id=str(uuid.uuid4()), email="ana@example.com")
    runtime.config = dataclasses.replace(runtime.config, supabase_url="http://127.0.0.1:9")
    assert counts(take(runtime, old.url, writes=True))["users"] == (2, 2, 0, 0)
    assert {each.subject == str(each.id) for each in every(runtime, User)} == {True}
    assert UUID(user) in {each.id for each in every(runtime, User)}


@on_sqlite
def test_one_person_at_two_numbers_is_two_contacts_and_two_spellings_are_one(runtime: Runtime, old: Old) -> None:
    accounts = [number(old), number(old, "300000000000002")]
    contact, talk = thread(old, accounts[0], "5511987654321")
    other = old.add("conversations", contact_id=contact, account_id=accounts[1], client_number="5511987654321")
    _, again = thread(old, accounts[0], "+55 11 8765-4321", name="Ana again")
    message(old, talk, "one")
    message(old, again, "two", 1)
    message(old, other, "three", 2)
    alone = old.add("contacts", whatsapp_number="33600000009")
    thread(old, None, "33600000010")
    thread(old, accounts[0], "06 12 34 56 78")
    _, crowd = thread(old, accounts[0], "120363000000000001@g.us", is_group=True, bot_enabled=True)
    done = take(runtime, old.url, writes=True)
    assert left_out(done) == {
        ("contacts", "WHOSE", 2),
        ("contacts", "NO_PHONE", 1),
        ("conversations", "NO_NUMBER", 1),
        ("conversations", "NO_PHONE", 1),
    }
    assert noted(done) == {("conversations", "JOINED", 1)}
    assert alone in {example for each in done.tallies for cases in each.left_out.values() for example in cases.examples}
    contacts = every(runtime, Contact)
    assert sorted(each.phone or each.group_id or "" for each in contacts) == [
        "120363000000000001", "5511987654321", "5511987654321"
    ]  # fmt: skip
    assert [each.content_text for each in all_messages(runtime.db) if str(each.conversation_id) == talk] == [
        "one",
        "two",
    ]
    group = next(each for each in every(runtime, Conversation) if str(each.id) == crowd)
    assert (group.is_group, group.bot_enabled) == (True, False)
    ingest(
        runtime, webhook(number_id="300000000000002", messages=[text_message(phone="5511987654321", wa_id="wamid.n")])
    )
    assert len(every(runtime, Contact)) == len(contacts)
    assert next(each for each in all_messages(runtime.db) if each.wa_message_id == "wamid.n").conversation_id == UUID(
        other
    )


@on_sqlite
def test_who_was_erased_and_what_was_removed_stays_away(runtime: Runtime, old: Old) -> None:
    kept, gone = number(old), number(old, "300000000000002")
    contact, talk = thread(old, kept, "33600000002")
    message(old, talk, "forget me")
    elsewhere = number(old, "300000000000003")
    third = old.add("conversations", contact_id=contact, account_id=elsewhere, client_number="33600000002")
    _, other = thread(old, gone, "33600000003")
    message(old, other, "closed")
    take(runtime, old.url, writes=True)
    mine = next(each.id for each in every(runtime, Contact) if each.account_id == UUID(kept))
    erase(runtime.db, EVERYTHING, mine, backup_number=None)
    ingest(runtime, webhook(number_id="300000000000001", messages=[text_message(phone="33600000002")]))  # a new start
    removal.delete(runtime.db, EVERYTHING, UUID(gone), timedelta(days=30))
    message(old, third, "another number keeps theirs")
    again = take(runtime, old.url, writes=True)
    assert left_out(again) == {
        ("numbers", "REMOVED_HERE", 1),
        ("contacts", "NO_NUMBER", 1),
        ("conversations", "ERASED", 1),
        ("conversations", "NO_NUMBER", 1),
        ("messages", "NO_CONVERSATION", 2),
    }
    said = {each.content_text for each in all_messages(runtime.db)}
    assert ("forget me" in said, "another number keeps theirs" in said) == (False, True)


@on_sqlite
def test_a_file_that_whatsapp_has_still_is_fetched(runtime: Runtime, old: Old) -> None:
    _, talk = thread(old, number(old), "33600000002")
    message(old, talk, None, message_type="image", media_id="901", timestamp=datetime.now(UTC).replace(tzinfo=None))
    take(runtime, old.url, writes=True)
    assert [(each.kind, str(each.conversation_id)) for each in every(runtime, Job)] == [(JobKind.MEDIA, talk)]
    assert every(runtime, MediaFile) == []


@on_sqlite
def test_a_message_without_a_time_is_told_and_opens_no_window(runtime: Runtime, old: Old) -> None:
    _, talk = thread(old, number(old), "33600000002")
    message(old, talk, "long ago")
    old.sql("ALTER TABLE messages ADD COLUMN created_at timestamptz DEFAULT now()")
    message(old, talk, "some time", timestamp=None)
    message(old, talk, "never", timestamp="infinity")
    done = take(runtime, old.url, writes=True)
    assert noted(done) == {("messages", "OTHER_TIME", 2)}
    (conversation,) = every(runtime, Conversation)
    assert conversation.last_inbound_at == LONG_AGO


@on_sqlite
def test_twenty_thousand_messages_are_never_held_at_once(
    runtime: Runtime, old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, talk = thread(old, number(old), "33600000002")
    old.sql(
        "INSERT INTO messages (conversation_id, direction, content_text, timestamp, wa_message_id) "
        "SELECT %s, 'inbound', 'text ' || n, %s::timestamp + n * interval '1 second', 'wamid.' || n "
        "FROM generate_series(1, 20000) n",
        talk,
        LONG_AGO.replace(tzinfo=None),
    )
    sizes: list[int] = []
    monkeypatch.setattr(messages, "_take_messages", _measuring(sizes, messages._take_messages))
    done = take(runtime, old.url, writes=False)  # both ways read alike, and this one in half the time
    assert counts(done)["messages"] == (20_000, 20_000, 0, 0)
    assert (max(sizes), sum(sizes)) == (source.FETCHED, 20_000)


def _measuring(sizes: list[int], take_messages: Callable[..., Any]) -> Callable[..., Any]:
    """Notes how many rows come at once, while the server holds the rest."""

    def measured(move: Any, batch: Any, *others: Any) -> Any:
        sizes.append(len(batch))
        assert list(move.source._connection.execute("SELECT is_holdable, is_scrollable FROM pg_cursors"))
        return take_messages(move, batch, *others)

    return measured


# --- whatever stands there ---------------------------------------------------------------------------------------

_IDS = st.sampled_from(["1", "2", "3", "a-b", str(uuid.UUID(int=7)), str(uuid.UUID(int=8)), "", None])
_ODD = st.one_of(
    st.none(), st.sampled_from(["", " ", "true", "-1", "NaN", "infinity", "{}", "[]", "9" * 400, "🦊\u202e"])
)
_TEXT = st.one_of(_ODD, st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20))
_PHONES = st.one_of(_TEXT, st.sampled_from(["33600000001", "+33 6 00 00 00 01", "00336 00000001", "0612", "x@g.us"]))
_TIMES = st.one_of(
    _TEXT, st.sampled_from(["2026-01-05 09:00:00", "1767603600", "1767603600000", "2026-01-05T09:00:00+02:00"])
)
_CODES = st.sampled_from(["messages.view", "x", None])
_LOOSE: dict[str, dict[str, st.SearchStrategy[str | None]]] = {
    "whatsapp_accounts": {
        "id": _IDS, "name": _TEXT, "phone_number": _PHONES, "access_token": _TEXT, "is_active": _TEXT,
        "phone_number_id": st.one_of(_TEXT, st.sampled_from(["11", "12", NUMBER_ID])),
    },
    "contacts": {"id": _IDS, "whatsapp_number": _PHONES, "display_name": _TEXT, "created_at": _TIMES},
    "conversations": {
        "id": _IDS, "contact_id": _IDS, "account_id": _IDS, "client_number": _PHONES, "is_group": _TEXT,
        "unread_count": _TEXT, "status": _TEXT, "updated_at": _TIMES,
    },
    "messages": {
        "id": _IDS, "conversation_id": _IDS, "timestamp": _TIMES, "wa_message_id": st.one_of(_TEXT, st.just("wamid.x")),
        "direction": st.sampled_from(["inbound", "outbound", "out", "sideways", None]), "content_text": _TEXT,
        "status": st.one_of(_TEXT, st.sampled_from(["sent", "read", "failed", "queued"])), "message_type": _TEXT,
        "media_id": _TEXT, "reply_to_message_id": _IDS, "interactive_data": _TEXT, "deleted_for_all_at": _TIMES,
    },
    "message_reactions": {
        "id": _IDS, "message_id": _IDS, "wa_message_id": _TEXT, "emoji": _TEXT, "from_number": _PHONES,
    },
    "bot_profiles": {"id": _IDS, "account_id": _IDS, "business_name": _TEXT, "custom_fields": _TEXT},
    "app_roles": {"id": _IDS, "slug": _TEXT, "name": _TEXT},
    "role_permissions": {"role_id": _IDS, "permission_code": _CODES},
    "app_users": {
        "user_id": _IDS, "email": st.one_of(_TEXT, st.sampled_from(["a@b.co", "A@b.co"])), "display_name": _TEXT,
    },
    "app_user_roles": {"user_id": _IDS, "role_id": _IDS, "account_id": _IDS},
    "app_user_overrides": {"user_id": _IDS, "account_id": _IDS, "permission_code": _CODES, "is_allowed": _TEXT},
    "user_account_access": {
        "user_id": _IDS, "account_id": _IDS, "access_level": st.sampled_from(["aucun", "lecture", "?"]),
    },
}  # fmt: skip


@st.composite
def _databases(draw: st.DrawFn) -> dict[str, list[dict[str, str | None]]]:
    """Tables with some of their columns, all of them text; some tables are missing."""
    made: dict[str, list[dict[str, str | None]]] = {}
    for table, columns in _LOOSE.items():
        if table != "messages" and draw(st.integers(0, 9)) == 0:
            continue
        lacking = draw(st.sets(st.sampled_from(sorted(columns)), max_size=1)) if draw(st.booleans()) else set()
        known = {name: each for name, each in columns.items() if name not in lacking} or columns
        made[table] = draw(st.lists(st.fixed_dictionaries(known), max_size=4))
        made[table] = made[table] or [dict.fromkeys(known)]
    return made


@settings(  # each is an inbox of its own
    max_examples=settings().max_examples // 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(tables=_databases())
def test_whatever_stands_there_is_taken_or_told(
    tables: dict[str, list[dict[str, str | None]]],
    old_database: Old,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    shutil.copy(sqlite_template, folder / "inbox.db")
    old_database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    for table, held in tables.items():
        columns = sorted(held[0])
        listed = ", ".join(f"{name} text" for name in columns)
        old_database.sql(f"CREATE TABLE {table} ({listed})")
        given_rows = json.dumps(held)
        old_database.sql(f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)", given_rows)
    runtime = runtime_of(create_app(app_settings(f"sqlite:///{folder / 'inbox.db'}", folder)))
    try:
        looked = take(runtime, old_database.url, writes=False)
        done = take(runtime, old_database.url, writes=True)
        stored = rows(runtime)
        again = take(runtime, old_database.url, writes=True)
        assert rows(runtime) == stored
        assert counts(looked) == counts(done)
        for report in (looked, done, again):
            for each in report.tallies:
                assert each.read == each.taken + each.here + each.left, each
        assert all(each.taken == 0 for each in again.tallies)
        read = {each.name: each.read for each in done.tallies}
        assert (read["messages"], read["users"]) == (len(tables["messages"]), len(tables.get("app_users", ())))
        assert stored["messages"] == next(each.taken for each in done.tallies if each.name == "messages")
        assert {each.kind for each in every(runtime, Job)} <= {JobKind.MEDIA}
        assert not any(each.waiting_since for each in every(runtime, Conversation))
    finally:
        assert runtime.close(5)


@pytest.mark.parametrize(
    ("given_phone", "expected"),
    [
        ("33612345678", "33612345678"),
        ("+33 6 12-34.56 78", "33612345678"),
        ("0033 (0)6 12 34 56 78", "33612345678"),
        ("whatsapp:+33612345678", "33612345678"),
        ("33612345678@s.whatsapp.net", "33612345678"),
        ("tel:+33612345678", "33612345678"),
        ("\u202a+33\u00a06 12 34 56 78\u202c", "33612345678"),
        ("٣٣٦١٢٣٤٥٦٧٨", "33612345678"),
        (33612345678, "33612345678"),
        ("06 12 34 56 78", None),
        ("123", None),
        ("1234567890@lid", None),
        ("²³⁴⁵⁶⁷⁸⁹", None),
        (None, None),
    ],
)
def test_a_phone_number_is_read_in_every_form(given_phone: object, expected: str | None) -> None:
    assert reading.phone(given_phone) == expected


@pytest.mark.parametrize(
    ("given_time", "expected"),
    [
        ("2026-01-05T10:00:00+01:00", LONG_AGO),
        ("2026-01-05T09:00:00", LONG_AGO),
        ("2026-01-05 09:00:00.0004", LONG_AGO),
        (int(LONG_AGO.timestamp()), LONG_AGO),
        (str(int(LONG_AGO.timestamp() * 1000)), LONG_AGO),
        ("1970-01-01T00:00:00", None),
        ("infinity", None),
        ("9999-12-31T23:59:59-12:00", None),
        (1e300, None),
        (True, None),
        ("yesterday", None),
    ],
)
def test_a_time_is_read_in_every_form(given_time: object, expected: datetime | None) -> None:
    assert reading.moment(given_time, utc_now()) == expected


# --- the command -------------------------------------------------------------------------------------------------


@on_sqlite
def test_the_command_tells_and_its_exit_code_too(app: Flask, runtime: Runtime, old: Old, postgres: str) -> None:
    runner = app.test_cli_runner()

    def run(*arguments: str, given: str | None = None) -> tuple[int, str]:
        done = runner.invoke(args=["import-legacy", *arguments], input=given)
        return done.exit_code, done.output

    _, talk = thread(old, number(old), "33600000002")
    code, words = run("--from", old.url)
    assert (code, "Nothing was changed" in words) == (0, True)
    assert rows(runtime)["conversations"] == 0
    assert run("--from", "-", "--write", given=f"{old.url}\n")[0] == 0
    assert rows(runtime)["conversations"] == 1
    lost = message(old, talk, "?", direction="sideways")
    code, words = run("--from", old.url)
    assert code == 3
    assert f"messages that do not say whether the customer wrote or the business: 1, such as {lost}" in words

    secret = "s3cr3t-passw0rd"
    for url, told in (
        ("mysql://x", "--from must be an address such as"),
        (f"postgresql://u:{secret}@127.0.0.1:9/x", "cannot be read"),
        (postgres, "has none of the tables"),
    ):
        code, words = run("--from", url)
        assert (code, told in words, secret in words) == (1, True, False), words


@on_sqlite
def test_our_own_database_is_no_source(runtime: Runtime, postgres_databases: Databases) -> None:
    url = postgres_databases.take()
    with pytest.raises(source.SourceError, match="Inbox itself"):
        take(runtime, url, writes=True)
    postgres_databases.give_back(url)


@on_sqlite
def test_the_source_is_only_read_and_tells_of_rows_it_hides(runtime: Runtime, old: Old) -> None:
    number(old)
    with pytest.raises(source.SourceError, match="read-only"), source.opened(old.url, "public") as opened:
        opened._connection.execute("DELETE FROM contacts")
    old.sql("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
    old.sql("DROP ROLE IF EXISTS inbox_reader")
    old.sql("CREATE ROLE inbox_reader LOGIN")
    old.sql("GRANT USAGE ON SCHEMA public TO inbox_reader")
    old.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO inbox_reader")
    try:
        with pytest.raises(source.SourceError, match="row-level security"):
            take(runtime, old.url.replace("postgres@", "inbox_reader@"), writes=False)
    finally:
        old.sql("DROP OWNED BY inbox_reader")
        old.sql("DROP ROLE inbox_reader")


@on_sqlite
def test_a_number_that_is_here_keeps_its_own_values(runtime: Runtime, old: Old) -> None:
    account = the_account(runtime.db)
    patch = AccountPatch(name="Ours", message_retention_days=7)
    changes.update(runtime.db, runtime.cipher, EVERYTHING, account.id, patch)
    _, talk = thread(old, number(old, NUMBER_ID, name="Theirs", access_token="EAAtheirs"), "33600000002")
    message(old, talk, "long ago", timestamp=datetime.now(UTC).replace(tzinfo=None) - timedelta(days=8))
    message(old, talk, "lately", timestamp=datetime.now(UTC).replace(tzinfo=None))
    done = take(runtime, old.url, writes=True)
    assert counts(done)["numbers"] == (1, 0, 1, 0)
    assert left_out(done) == {("messages", "TOO_OLD", 1)}
    after = the_account(runtime.db)
    assert (after.name, after.access_token_encrypted) == ("Ours", account.access_token_encrypted)


def test_no_message_is_lost_when_two_runs_meet(runtime: Runtime, old: Old) -> None:
    """The second does what the first has not done yet."""
    _, talk = thread(old, number(old), "33600000002")
    for minute in range(5):
        message(old, talk, str(minute), minute, wa_message_id=f"wamid.{minute}")
    met: list[Any] = []

    def meanwhile(name: str) -> None:
        if name == "contacts" and not met:
            met.append(None)
            met[0] = take(runtime, old.url, writes=True)

    done = take(runtime, old.url, writes=True, stop=meanwhile)
    assert counts(met[0])["messages"] == (5, 5, 0, 0)
    assert counts(done)["messages"] == (5, 0, 5, 0)
    assert rows(runtime)["messages"] == 5
    assert len(every(runtime, Message)) == 5
