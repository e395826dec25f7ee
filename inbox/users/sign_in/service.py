"""Sessions: signing in with a password, of ours or of the identity provider, and out."""

from __future__ import annotations

import contextlib
import logging
import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import Principal
from inbox.auth.addresses import known_email
from inbox.auth.generation import rights_changed
from inbox.auth.hashing import token_hash
from inbox.auth.identities import SESSION_PREFIX, Identities, principal_of
from inbox.auth.passwords import hash_of_new, set_password_hash, verify_password
from inbox.clock import new_id
from inbox.db import Database
from inbox.errors import DatabaseUnavailable, HasNoPassword, TemporarilyUnavailable, UpstreamBusy, WrongPassword
from inbox.models import User, UserSession
from inbox.resilience import Bulkhead

log = logging.getLogger(__name__)

_GATE = Principal(id="", name="sign-in", everywhere=frozenset(), kind="command")

#: A password takes 32 MB and a core for a moment: many at once must not take all there is. Strangers cannot take the
#: place of those who come from where they have signed in before. The lines are short, because who waits in one holds a
#: thread; where gunicorn serves, half of the threads at most are theirs (`server.gunicorn_worker`).
_CHECKS = Bulkhead("passwords", 2, line=4, patience=5.0)
_FAMILIAR_CHECKS = Bulkhead("passwords of familiar addresses", 1, line=4, patience=5.0)
MOST_SESSIONS = 20  # of one person: the oldest ends when there would be more


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just begun. `token` cannot be had again."""

    token: str
    principal: Principal
    expires_at: datetime


def sign_in_with_password(
    db: Database,
    identities: Identities,
    email: str,
    password: str,
    *,
    lifetime: timedelta,
    network: str = "",
    familiar: bool = False,
) -> NewSession:
    """Begin a session. `network` is the caller's: where passwords wait to be checked, networks take turns.

    `familiar`: this person has signed in from there before. A local user's password is checked here and goes nowhere;
    the identity provider, where there is one, is asked about everybody else's.

    Raises WrongPassword for an unknown user as well, UserDisabled, NotAMember, EmailNotConfirmed,
    TemporarilyUnavailable (IdentityUnavailable while the provider cannot be asked).
    """
    with db.reading() as session:
        user = session.execute(select(User).where(User.email == known_email(email))).scalar_one_or_none()
    if identities.takes_passwords and (user is None or user.password_hash is None):
        return exchange(db, identities.by_password(email.strip(), password), lifetime)
    # No transaction is open here: this takes a tenth of a second on purpose.
    if not _verified(user, password, network, familiar=familiar) or user is None:
        log.info("sign-in refused")
        raise WrongPassword
    return _begin(db, user, lifetime)


def exchange(db: Database, caller: Principal, lifetime: timedelta) -> NewSession:
    """Begin a session for a user whom the identity provider has just vouched for. Raises UserDisabled."""
    with db.reading() as session:
        user = session.get_one(User, UUID(caller.id))
    return _begin(db, user, lifetime)


def change_password(
    db: Database, caller: Principal, current: str, new: str, *, lifetime: timedelta, network: str, familiar: bool
) -> NewSession:
    """Give a user another password, end all their sessions and begin one. `network`, `familiar`: as for signing in.

    Raises HasNoPassword, WrongPassword for another one than `current`, InvalidRequest for a bad new one,
    TemporarilyUnavailable.
    """
    with db.reading() as session:
        user = session.get_one(User, UUID(caller.id))
    if user.password_hash is None:
        raise HasNoPassword
    if not _verified(user, current, network, familiar=familiar):
        raise WrongPassword
    new_hash = hash_of_new(user, new)
    with db.writing() as session:
        changed = session.get_one(User, user.id, with_for_update=True)
        if changed.password_hash != user.password_hash:  # meanwhile, by somebody else
            raise WrongPassword
        now = db.now(session)
        set_password_hash(session, changed, new_hash, now)
        audit.record(session, caller, "user.password_changed", now, target=user.id)
    return begin_for(db, user.id, lifetime)


def begin_for(db: Database, user_id: UUID, lifetime: timedelta) -> NewSession:
    """Begin a session for somebody whose password is not to be asked for: it just was, or a command begins it."""
    with db.reading() as session:
        user = session.get_one(User, user_id)
    return _begin(db, user, lifetime)


def tell_locked_out(db: Database, email: str, address: str) -> None:
    """Put into the audit log that somebody's name is locked, for those they will ask. A stranger's is nobody's."""
    with contextlib.suppress(DatabaseUnavailable), db.writing() as session:
        user_id = session.execute(select(User.id).where(User.email == known_email(email))).scalar_one_or_none()
        if user_id is not None:
            audit.record(session, _GATE, "user.locked_out", db.now(session), target=user_id, address=address)


def _verified(user: User | None, password: str, network: str, *, familiar: bool) -> bool:
    try:
        with (_FAMILIAR_CHECKS if familiar else _CHECKS).place(network):
            return verify_password(user, password)
    except UpstreamBusy as busy:
        wait = math.ceil(busy.retry_after or 1.0)
        title = f"Too many people are signing in at once. Try again in {wait} s."
        raise TemporarilyUnavailable(title, retry_after=wait) from None


def _begin(db: Database, checked: User, lifetime: timedelta) -> NewSession:
    token = SESSION_PREFIX + secrets.token_urlsafe(32)
    with db.writing() as session:
        user = session.get_one(User, checked.id, with_for_update=True)
        if user.password_hash != checked.password_hash:  # changed while the old one was being checked
            raise WrongPassword
        now = db.now(session)
        principal = principal_of(session, user, expires_at=now + lifetime)
        user.signed_in_at = now
        _make_room(session, user, now)
        session.add(
            UserSession(id=new_id(), user_id=user.id, hash=token_hash(token), created_at=now, expires_at=now + lifetime)
        )
    log.info("signed in", extra={"user_id": str(user.id)})
    return NewSession(token, principal, now + lifetime)


def _make_room(session: Session, user: User, now: datetime) -> None:
    """End the oldest sessions of a user, so that one more is not too many; and everybody's that have ended."""
    session.execute(delete(UserSession).where(UserSession.expires_at < now))
    newest_first = UserSession.created_at.desc(), UserSession.id.desc()
    rows = select(UserSession.id).where(UserSession.user_id == user.id).order_by(*newest_first)
    too_many = session.execute(rows.offset(MOST_SESSIONS - 1)).scalars().all()
    if too_many:
        session.execute(delete(UserSession).where(UserSession.id.in_(too_many)))
        rights_changed(session)


def sign_out(db: Database, token: str) -> None:
    """End the session of `token`; nothing happens when it has none."""
    with db.writing() as session:
        session.execute(delete(UserSession).where(UserSession.hash == token_hash(token)))
        rights_changed(session)
