"""Which passwords are taken."""

from __future__ import annotations

import ast
import inspect

import pytest
from zxcvbn import feedback

from inbox.auth.passwords import ADVICE, LONGEST, SAID, check_password
from inbox.errors import InvalidRequest
from inbox.models import User

ANNA = User(email="anna@bakery.example", name="Annabella")


def problems(password: str) -> dict[str, str]:
    """Sentences by their codes."""
    with pytest.raises(InvalidRequest) as raised:
        check_password(ANNA, password)
    assert {found.pointer for found in raised.value.problems} == {"/password"}
    return {found.code: found.problem for found in raised.value.problems}


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("aaaaaaaaaaaa", "repeats"),
        ("x" * LONGEST, "repeats"),
        ("ab1" * 300, "repeats"),
        (" " * 12, "repeats"),
        ("password1234", "common"),
        ("qwertyuiop12", "nearly_common"),
        ("abcdefghijkl", "sequence"),
        ("12.12.1990 12", "dates"),
        ("P@ssword-2019", "substitutes"),
    ],
)
def test_a_password_that_is_soon_guessed_is_refused_with_the_reason(password: str, why: str) -> None:
    assert {"password_guessable", f"password_{why}"} <= set(problems(password))


@pytest.mark.parametrize(
    "password", ["letmein letmein", "Password-PASSWORD", "qwertz, qwertz, qwertz!", "iloveyou_iloveyou"]
)
def test_a_common_word_is_no_better_for_being_repeated(password: str) -> None:
    assert "password_guessable" in problems(password)


def test_whatever_the_library_advises_is_said_in_our_words() -> None:
    """A version with other texts fails here, not before a person."""
    calls = [each for each in ast.walk(ast.parse(inspect.getsource(feedback))) if isinstance(each, ast.Call)]
    texts = {ast.literal_eval(call.args[0]) for call in calls if getattr(call.func, "id", "") == "_"}
    assert texts == set(ADVICE)
    assert set(ADVICE.values()) == set(SAID)


@pytest.mark.parametrize("password", ["Anna@Bakery.Example", "  annabella  "])
def test_neither_the_address_nor_the_name_is_a_password(password: str) -> None:
    assert problems(password) == {"password_is_name": "must not be the e-mail address or the name"}


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "  correct horse  ", "row, row, row your boat gently", "kR9!" + "mv3_Qz" * 2],
)
def test_a_long_or_uncommon_one_is_taken(password: str) -> None:
    check_password(ANNA, password)
