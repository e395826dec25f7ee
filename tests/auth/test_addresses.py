"""One spelling of an address at every door: two never make two people."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inbox.auth.addresses import confirmed_email, known_email, normal_email

NFD = unicodedata.normalize("NFD", "änna@example.com")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Anna@Example.COM ", "anna@example.com"),
        ("ａｎｎａ@example.com", "anna@example.com"),
        ("anna＠example.com", "anna@example.com"),
        ("anna@example.com.", "anna@example.com"),
        ("anna@ｅxample。com", "anna@example.com"),
        ("Änna@example.com", "änna@example.com"),
        (NFD, "änna@example.com"),
        ("anna@xn--exmple-cua.de", "anna@exämple.de"),
        ("o'neil+inbox@example.com", "o'neil+inbox@example.com"),
        ("anna@office.local", "anna@office.local"),
        ("anna@desk", "anna@desk"),
    ],
)
def test_each_spelling_is_stored_as_one(typed: str, stored: str) -> None:
    assert normal_email(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "anna",
        "@@@",
        "a..b@example.com",
        "Anna <a@b.de>",
        "anna@-x.de",
        "a@b.de\u200b",
        "a\0@b.de",
        "a\ufffd@b.de",
        "a@" + "b" * 400,
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="is not an e-mail address"):
        normal_email(typed)
    assert known_email(typed) is None


@pytest.mark.parametrize(
    "typed",
    [
        "\u0430nna@example.com",  # a Cyrillic a
        "\u0430\u0441\u0435@example.com",  # ace, all in Cyrillic
        "anna@ex\u0430mple.com",
        "\u0391nna@example.com",  # a Greek A
    ],
)
def test_a_letter_that_only_looks_latin_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="only looks like a Latin one"):
        normal_email(typed)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("Anna@Example.com", "anna@example.com"),
        (NFD, "änna@example.com"),
        ("\u212aarl@example.com", None),  # the Kelvin sign, whose lower case is the letter k
        ("ａnna@example.com", None),
        ("\u0430nna@example.com", None),
        ("anna", None),
    ],
)
def test_what_a_provider_confirms_is_that_mailbox_and_no_other(said: str, stored: str | None) -> None:
    assert confirmed_email(said) == stored


@given(st.one_of(st.emails(), st.text(), st.tuples(st.text(), st.text()).map("@".join)))
@example("İ@example.com")
@example("Σς@example.com")
def test_what_is_stored_is_found_again_by_itself(typed: str) -> None:
    stored = known_email(typed)
    if stored is not None:
        assert known_email(stored) == stored
        assert known_email(stored.upper()) in (stored, None) or not stored.isascii()
        assert confirmed_email(typed) in (stored, None)
