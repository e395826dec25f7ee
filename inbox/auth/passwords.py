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


def set_password(session: Session, user: User, password: str, now: datetime) -> None:
    """Give a user a new password and sign them out everywhere. Raises InvalidRequest for a bad one."""
    check_password(user, password)
    user.password_hash = generate_password_hash(password)
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
        said = [found["feedback"]["warning"], *found["feedback"]["suggestions"]]
        sentence = f"is too easy to guess. {' '.join(each for each in said if each)}".strip().removesuffix(".")
        raise _bad("password_guessable", sentence)


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
