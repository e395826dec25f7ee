"""Which passwords are taken."""

from __future__ import annotations

import pytest

from inbox.auth.passwords import LONGEST, check_password
from inbox.errors import InvalidRequest
from inbox.models import User

ANNA = User(email="anna@bakery.example", name="Annabella")


def problem(password: str) -> str:
    with pytest.raises(InvalidRequest) as raised:
        check_password(ANNA, password)
    (found,) = raised.value.problems
    assert found.pointer == "/password"
    return found.problem


@pytest.mark.parametrize(
    "password", ["aaaaaaaaaaaa", "password1234", " " * 12, "qwertyuiop12", "abcdefghijkl", "x" * LONGEST, "ab1" * 300]
)
def test_a_password_that_is_soon_guessed_is_refused_with_the_reason(password: str) -> None:
    assert problem(password).startswith("is too easy to guess. ")


@pytest.mark.parametrize(
    "password", ["letmein letmein", "Password-PASSWORD", "qwertz, qwertz, qwertz!", "iloveyou_iloveyou"]
)
def test_a_common_word_is_no_better_for_being_repeated(password: str) -> None:
    assert problem(password).startswith("is too easy to guess. ")


@pytest.mark.parametrize("password", ["Anna@Bakery.Example", "  annabella  "])
def test_neither_the_address_nor_the_name_is_a_password(password: str) -> None:
    assert problem(password) == "must not be the e-mail address or the name"


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "  correct horse  ", "row, row, row your boat gently", "kR9!" + "mv3_Qz" * 2],
)
def test_a_long_or_uncommon_one_is_taken(password: str) -> None:
    check_password(ANNA, password)
