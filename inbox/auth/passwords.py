"""Passwords of local users: Werkzeug's default hash (scrypt), checked in the same time for known and unknown users."""

from __future__ import annotations

import functools
import re
import secrets
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from inbox.auth.generation import rights_changed
from inbox.errors import FieldProblem, InvalidRequest
from inbox.models import User, UserSession

SHORTEST, LONGEST = 12, 1024  # characters; long ones are sentences, endless ones an attack on our processors
ENOUGH = 3  # of zxcvbn's scores, 0 to 4: "safely unguessable", 10^8 guesses and more
_LOOKED_AT = 48  # characters: more take zxcvbn up to 0.7 s (72), and what begins so well is strong enough
#: What zxcvbn advises, by its texts; the code under which we say it. A warning and how to avoid it are one.
ADVICE = {
    "Use a few words, avoid common phrases.": "password_guessable",
    "Add another word or two. Uncommon words are better.": "password_guessable",
    "No need for symbols, digits, or uppercase letters.": "password_signs",
    "Straight rows of keys are easy to guess.": "password_keyboard",
    "Short keyboard patterns are easy to guess.": "password_keyboard",
    "Use a longer keyboard pattern with more turns.": "password_keyboard",
    'Repeats like "aaa" are easy to guess.': "password_repeats",
    'Repeats like "abcabcabc" are only slightly harder to guess than "abc".': "password_repeats",
    "Avoid repeated words and characters.": "password_repeats",
    'Sequences like "abc" or "6543" are easy to guess.': "password_sequence",
    "Avoid sequences.": "password_sequence",
    "Recent years are easy to guess.": "password_dates",
    "Avoid recent years.": "password_dates",
    "Avoid years that are associated with you.": "password_dates",
    "Dates are often easy to guess.": "password_dates",
    "Avoid dates and years that are associated with you.": "password_dates",
    "This is a top-10 common password.": "password_common",
    "This is a top-100 common password.": "password_common",
    "This is a very common password.": "password_common",
    "This is similar to a commonly used password.": "password_nearly_common",
    "A word by itself is easy to guess.": "password_one_word",
    "Names and surnames by themselves are easy to guess.": "password_names",
    "Common names and surnames are easy to guess.": "password_names",
    "Capitalization doesn't help very much.": "password_capitals",
    "All-uppercase is almost as easy to guess as all-lowercase.": "password_capitals",
    "Reversed words aren't much harder to guess.": "password_reversed",
    "Predictable substitutions like '@' instead of 'a' don't help very much.": "password_substitutes",
}
#: The same in our words, for programs and commands.
SAID = {
    "password_guessable": "is too easy to guess: add a word or two that nobody would expect",
    "password_signs": "needs no signs, digits or capitals",
    "password_keyboard": "holds keys that lie side by side",
    "password_repeats": "repeats itself",
    "password_sequence": "holds letters or digits in their order",
    "password_dates": "holds a date or a year",
    "password_common": "is among those that are tried first",
    "password_nearly_common": "is close to one that is tried first",
    "password_one_word": "is a single word",
    "password_names": "holds a common name",
    "password_capitals": "does not gain much by capitals",
    "password_reversed": "does not gain much by words that are spelt backwards",
    "password_substitutes": "does not gain much by signs in place of letters, as @ for a",
}


def set_password(session: Session, user: User, password: str, now: datetime) -> None:
    """Give a user a new password and sign them out everywhere. Raises InvalidRequest for a bad one."""
    set_password_hash(session, user, hash_of_new(user, password), now)


def hash_of_new(user: User, password: str) -> str:
    """What is stored of a user's new password. It takes a while: not for a transaction that others wait for.

    Raises InvalidRequest for a bad one.
    """
    check_password(user, password)
    return generate_password_hash(password)


def set_password_hash(session: Session, user: User, password_hash: str, now: datetime) -> None:
    """As set_password, with what `hash_of_new` made."""
    user.password_hash = password_hash
    user.updated_at = now
    session.execute(delete(UserSession).where(UserSession.user_id == user.id))
    rights_changed(session)


def check_password(user: User, password: str) -> None:
    """Raises InvalidRequest, saying what is wrong, for one that is too short or long, or that is soon guessed."""
    if not SHORTEST <= len(password) <= LONGEST:
        sentence = f"must have {SHORTEST} to {LONGEST} characters"
        raise _bad("password_length", sentence, shortest=SHORTEST, longest=LONGEST)
    known = [each for each in (user.email, *re.split(r"\W+", f"{user.email or ''} {user.name or ''}")) if each]
    if any(password.strip().lower() == each.lower() for each in known):
        raise _bad("password_is_name", "must not be the e-mail address or the name")
    from zxcvbn import zxcvbn  # its word lists take 0.1 s to load, and a password is seldom set

    found = zxcvbn(_each_word_once(password[:_LOOKED_AT]), user_inputs=known)
    if found["score"] < ENOUGH:
        texts = [found["feedback"]["warning"], *found["feedback"]["suggestions"]]
        codes = filter(None, ["password_guessable", *map(ADVICE.get, texts)])
        raise InvalidRequest([FieldProblem("/password", code, SAID[code]) for code in dict.fromkeys(codes)])


def _each_word_once(password: str) -> str:
    """zxcvbn sees through "letmeinletmein", but not through "letmein letmein": a word said twice counts once."""
    words = [word for word in re.split(r"[\W_]+", password) if word]
    once = {word.casefold(): word for word in words}
    return password if len(once) == len(words) else " ".join(once.values())


def _bad(code: str, problem: str, **values: int) -> InvalidRequest:
    return InvalidRequest([FieldProblem("/password", code, problem, values)])


def verify_password(user: User | None, password: str) -> bool:
    """True when it is the user's. An unknown user, or one without a password, takes as long to refuse."""
    nobodys = _nobody()  # made even when it is not needed, or the first unknown user would take twice as long
    stored = user.password_hash if user is not None else None
    right = check_password_hash(stored or nobodys, password)
    return right and stored is not None


@functools.cache
def _nobody() -> str:
    return generate_password_hash(secrets.token_urlsafe(32))
