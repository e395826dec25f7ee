"""Passwords of local users: Werkzeug's default hash (scrypt), checked in the same time whoever is asked for."""

from __future__ import annotations

import functools
import secrets
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from inbox.errors import FieldProblem, InvalidRequest
from inbox.models import User, UserSession

SHORTEST, LONGEST = 12, 1024  # characters; long ones are sentences, endless ones an attack on our processors


def set_password(session: Session, user: User, password: str, now: datetime) -> None:
    """Give a user a new password and sign them out everywhere. Raises InvalidRequest for a bad one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidRequest([FieldProblem("/password", f"must have {SHORTEST} to {LONGEST} characters")])
    if user.email and password.strip().lower() == user.email:
        raise InvalidRequest([FieldProblem("/password", "must not be the e-mail address")])
    user.password_hash = generate_password_hash(password)
    user.updated_at = now
    session.execute(delete(UserSession).where(UserSession.user_id == user.id))


def verify_password(user: User | None, password: str) -> bool:
    """True when it is the user's. An unknown user, or one without a password, takes as long to refuse."""
    nobodys = _nobody()  # made even when it is not needed, or the first unknown user would take twice as long
    stored = user.password_hash if user is not None else None
    right = check_password_hash(stored or nobodys, password)
    return right and stored is not None


@functools.cache
def _nobody() -> str:
    return generate_password_hash(secrets.token_urlsafe(32))
