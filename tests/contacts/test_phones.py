"""One person, several spellings of a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from inbox.contacts.phones import spellings
from inbox.db import Database
from inbox.models import Contact
from inbox.runtime import Runtime
from tests.builders import all_messages, ingest, text_message, the_conversation, webhook

PAIRS = [
    ("5511987654321", "551187654321"),  # Brazil
    ("5531988887777", "553188887777"),
    ("5491145678901", "541145678901"),  # Argentina
    ("5215512345678", "525512345678"),  # Mexico
    ("2290190011234", "22990011234"),  # Benin
]
ALONE = ["33600000001", "551133334444", "5511933334444", "15550001111", "999", "5511", "0", ""]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_mobile_is_known_with_and_without_the_extra_digits_of_its_country(one: str, other: str) -> None:
    assert spellings(one) == (one, other)
    assert spellings(other) == (other, one)


@pytest.mark.parametrize("phone", ALONE)
def test_other_numbers_have_one_spelling(phone: str) -> None:
    """Among them a fixed line of Brazil, which is not the mobile that begins with a 9 and goes on like it."""
    assert spellings(phone) == (phone,)


def test_the_trunk_prefix_that_people_dial_is_left_out() -> None:
    assert spellings("54111545678901") == ("54111545678901", "5491145678901", "541145678901")


@given(st.sampled_from(["55", "54", "52", "229", "33", ""]), st.text("0123456789", max_size=14))
def test_every_spelling_leads_to_the_others(country: str, national: str) -> None:
    found = spellings(country + national)
    assert found[0] == country + national
    assert len(set(found)) == len(found) <= 3
    for other in found[1:]:
        assert set(found[1:]) <= set(spellings(other))


@pytest.mark.parametrize(("first", "then"), [*PAIRS, *(pair[::-1] for pair in PAIRS)])
def test_a_message_under_another_spelling_joins_the_thread_and_rewrites_no_number(
    runtime: Runtime, db: Database, first: str, then: str
) -> None:
    ingest(runtime, webhook(messages=[text_message("one", wa_id="wamid.1", phone=first)]))
    ingest(runtime, webhook(messages=[text_message("two", wa_id="wamid.2", phone=then)]))
    with db.reading() as session:
        (contact,) = session.execute(select(Contact)).scalars()
    assert contact.phone == first
    assert the_conversation(db).unread_count == 2


def test_two_spellings_in_one_batch_are_one_person(runtime: Runtime, db: Database) -> None:
    messages = [text_message(str(n), wa_id=f"wamid.{n}", phone=PAIRS[0][n % 2]) for n in range(4)]
    ingest(runtime, webhook(messages=messages))
    assert len({message.conversation_id for message in all_messages(db)}) == 1


def test_two_threads_of_one_person_become_one_when_they_write(runtime: Runtime, db: Database) -> None:
    one, other = PAIRS[0]
    ingest(runtime, webhook(messages=[text_message("one", wa_id="wamid.1", phone=one)]))
    with db.writing() as session:  # as it was stored before spellings were known
        session.execute(select(Contact)).scalar_one().phone = "33600000009"
    ingest(runtime, webhook(messages=[text_message("two", wa_id="wamid.2", phone=other)]))
    with db.writing() as session:
        session.execute(select(Contact).where(Contact.phone == "33600000009")).scalar_one().phone = one
    ingest(runtime, webhook(messages=[text_message("three", wa_id="wamid.3", phone=other)]))
    assert len({message.conversation_id for message in all_messages(db)}) == 1
    with db.reading() as session:
        assert session.execute(select(Contact.phone)).scalars().all() == [one]


def test_a_number_that_whatsapp_says_has_changed_is_taken_over_as_it_says(runtime: Runtime, db: Database) -> None:
    ingest(runtime, webhook(messages=[text_message("one", wa_id="wamid.1", phone="5215512345678")]))
    system = {"type": "user_changed_number", "body": "changed", "wa_id": "525512345678"}
    notice = {"from": "5215512345678", "id": "wamid.2", "timestamp": "1795165201", "type": "system", "system": system}
    ingest(runtime, webhook(messages=[notice]))
    with db.reading() as session:
        assert session.execute(select(Contact.phone)).scalars().all() == ["525512345678"]
